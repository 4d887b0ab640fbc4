"""What the service stores: events of users, exposures, stock."""
