"""Which events may be learned from, and which choices are judged: one file per protocol."""
