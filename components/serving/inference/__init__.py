"""From a request to a list: histories, scores, filters, explanations, search, and features of users."""
