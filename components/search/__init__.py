"""Search in the catalogue: words, spelling correction, text embeddings, personal scores."""
