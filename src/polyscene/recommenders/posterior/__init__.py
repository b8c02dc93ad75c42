"""The posterior: what the language model says of an item before, and what events say after."""
