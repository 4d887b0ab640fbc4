"""Personal data in texts: found by patterns and check digits, and masked."""
