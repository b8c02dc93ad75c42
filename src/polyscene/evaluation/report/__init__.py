"""One HTML file that shows the results of a run, to be read anywhere without a network."""
