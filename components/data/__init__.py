"""Sources -> snapshot -> split; quality and quarantine; the simulated shop."""
