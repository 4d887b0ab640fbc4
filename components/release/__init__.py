"""Bundles, versions, verdicts and promotions.

bundle      the folder that ships; manifest: its digests and the files that it may hold
latency     p99 of one user's list, from the bundle
gate        the verdict: promote, keep, or not enough evidence; evidence and guardrails: its inputs and checks
registry    MLflow: versions and aliases; runs: records of runs; records: conversions
ledger      append-only table of deployments
promotion   promote and rollback: one at a time, resumable at every step; smoke_test: test requests
champion    the champion's bundle in the checkout, for comparison
processes   child processes in their own process group, which end with their parent
warm        the same, forked from a process that has imported the libraries: warm_server; warm_client: `python` for DVC
versioning  DVC: stages, digests of data, workspaces; git: calls of git
reproduce   build a version again from the registry and the data remote
status      state of the loop; doctor: checks before a run
"""
