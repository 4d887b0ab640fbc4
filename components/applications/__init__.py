"""What a shop does with the behaviour model besides lists: ads, inventory, marketing.

Each application has a package here, a stage of its name in dvc.yaml, a section of params.yaml, a flow, and routes.
"""
