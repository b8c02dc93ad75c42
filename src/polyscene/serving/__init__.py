"""The service: a run over HTTP, with a log of events that loses nothing it acknowledged."""
