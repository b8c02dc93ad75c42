"""What a ranking, a probability or a set of lists is worth; numpy arrays in, numbers out."""
