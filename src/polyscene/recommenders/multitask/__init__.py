"""The signal `multitask`: one network over all scenarios and their tasks."""
