"""Looking at unknown tables: what is a catalogue, what a log, and which column plays which part."""
