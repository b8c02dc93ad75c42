"""Settings into one working system: the only floor where models meet the trainer."""
