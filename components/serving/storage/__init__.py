"""What the service keeps: events, exposures, stock."""
