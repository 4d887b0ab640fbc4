"""The models that serve: which bundles are loaded, and which of them answers which user."""
