"""One Protocol, many models. `base` ranks, each model scores, `library` makes and loads them by name."""
