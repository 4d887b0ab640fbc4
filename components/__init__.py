"""The logic of Carousel in plain Python packages, in layers: pyproject.toml lists which may import which."""
