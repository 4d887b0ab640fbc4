"""Segments, audiences, churn and value, expected response and uplift: what the shop writes to its customers."""
