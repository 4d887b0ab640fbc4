"""What leaves the workspace: bundles, versions, verdicts, promotions.

bundle      one folder under one manifest of digests: what ships; read back by our own reader, nothing in it runs
latency     how long one user's list takes, from the bundle
gate        the verdict: promote, keep, or not enough evidence
registry    MLflow: versions, aliases, records of runs
ledger      what was deployed, in order; append-only
promotion   promote and rollback: one at a time, resumable at every step
processes   commands in a process group of their own, which end with us
versioning  DVC and git: stages, digests of data, workspaces
reproduce   a version built again from what the registry and the data remote hold
"""
