"""Experiments: who sees which version, what came of it, and when one may believe it."""
