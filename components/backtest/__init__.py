"""Backtests: the loop replayed as of past dates under several policies, on data with and without planted faults."""
