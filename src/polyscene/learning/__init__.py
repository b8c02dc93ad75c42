"""Settings and data into fitted models: the only floor where models meet the trainer."""
