"""The sequence model: a causal transformer over a user's events; an item is its text embedding plus an id vector."""
