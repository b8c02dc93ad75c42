"""The language model as a slow reader of requests: what it learns, and how it lies in a run."""
