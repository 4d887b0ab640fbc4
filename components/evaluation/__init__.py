"""How good the models are, on the same later window, user by user.

    protocol    which users are asked, which of their targets count, and whether a window leaked into another
    metrics     recall, NDCG, MRR, hit rate, coverage, novelty: one value per user first, the mean second
    slices      cold and warm users and items, languages: the same metrics where averages hide something
    comparison  paired bootstrap of two models on the same users, and how many users a verdict would need
    results     the tables that leave the room: evaluation.json, per_user.parquet, metrics.json
    plots       small SVG pictures, drawn without a clock or a random id
    report      one HTML page for people

Nothing here decides. The gate (`components/release/gate.py`) does, from these files.
"""
