"""Texts: normalisation, and the language model that reads them."""
