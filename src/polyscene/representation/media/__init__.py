"""Image files as vectors: opened with care, read by a model from a local folder, found again by content."""
