"""Inventory: demand per product and period with quantiles, what to order, and what moves too slowly."""
