"""Orchestration: the only code that imports Prefect, and the command line."""
