"""The language model: loading, encoding, the cache of encoded texts, and whether it can read them."""
