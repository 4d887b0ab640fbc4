"""What makes an answer: scoring, rules, search, features of users."""
