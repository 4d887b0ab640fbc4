"""Learning together without pooling events: secure sums and federated averaging over HTTP. See docs/federated.md."""
