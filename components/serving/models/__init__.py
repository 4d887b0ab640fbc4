"""Which models serve: following the registry, sharing out traffic."""
