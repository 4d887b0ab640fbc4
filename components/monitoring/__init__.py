"""Drift: whether the shop's events still resemble those that the champion was trained on."""
