"""A search over the knobs of each model, judged on the validation window alone; learning curves."""
