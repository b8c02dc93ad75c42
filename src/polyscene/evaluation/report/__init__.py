"""One HTML file that shows what a run found, to be read anywhere without a network."""
