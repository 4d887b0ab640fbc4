"""A/B tests on the live service: assignment to arms, outcomes per user, and decisions that are valid at any time."""
