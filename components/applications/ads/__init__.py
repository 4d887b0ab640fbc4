"""Advertising: calibrated probabilities, auction, pacing, frequency caps, exploration, and what a policy is worth."""
