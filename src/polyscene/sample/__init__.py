"""A small invented company: a shop, a newspaper and a video site, for demos and tests; never a benchmark."""
