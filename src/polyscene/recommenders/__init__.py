"""One signal per file, and the fusion that weighs them."""
