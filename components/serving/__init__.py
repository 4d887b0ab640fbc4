"""The HTTP service: answers from the champion's bundle, and swaps in a new champion without failed requests."""
