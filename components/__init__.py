"""What Carousel does: plain Python in rooms, each importing only rooms above it."""
