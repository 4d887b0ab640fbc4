"""Advice: a first overlay from a shop's files, and what is worth running on its data."""
