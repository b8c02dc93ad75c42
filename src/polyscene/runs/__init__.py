"""Run folders: written, read, judged and reported."""
