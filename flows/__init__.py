"""When it is done: the only code that knows Prefect, and the command line."""
