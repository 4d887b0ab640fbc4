"""The wiring: one short file per DVC stage, parameters in, files out."""
