"""Profiles of users and items as of a point in time: from the snapshot in batch, or updated by one live event."""
