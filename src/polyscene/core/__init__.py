"""What everything stands on: types, contracts, errors, settings."""
