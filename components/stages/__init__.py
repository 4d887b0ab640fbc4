"""One short file per DVC stage: reads parameters, calls packages, writes files."""
