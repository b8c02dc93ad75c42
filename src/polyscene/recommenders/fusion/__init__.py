"""The learned combination of signals: features, network, fusion, and its training data."""
