"""Pure rules on scores and slates: why an item was shown."""
