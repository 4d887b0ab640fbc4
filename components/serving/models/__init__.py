"""Serving models: which bundles are loaded, and which of them serves which user."""
