"""A/B tests on the live service: assignment to arms, outcomes per user, and when a result can be believed."""
