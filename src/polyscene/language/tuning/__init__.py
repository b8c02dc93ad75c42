"""Ways of changing a language model: which weights learn, how texts are read meanwhile, what is kept."""
