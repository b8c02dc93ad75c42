"""The language model made smaller or faster, each way with what it loses beside what it gains."""
