"""Search in the catalogue: words, spelling, meaning, and who asks."""
