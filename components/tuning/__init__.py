"""Search over the parameters of each model on the validation window; learning curves."""
