"""The command line: one file per verb, nothing heavy loaded before a verb needs it."""
