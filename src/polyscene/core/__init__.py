"""The words everyone speaks: types, contracts, errors and settings."""
