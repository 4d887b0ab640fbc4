"""Profiles of users and items as they were at a moment; from the snapshot, or moved on by one live event."""
