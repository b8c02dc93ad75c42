"""From tables to arrays: items, users, events, and what is wrong with them."""
