"""Text normalisation, and the language model that encodes texts."""
