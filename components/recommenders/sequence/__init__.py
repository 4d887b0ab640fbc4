"""The sequence model: a causal transformer over a user's events whose items are text embedding plus id vector."""
