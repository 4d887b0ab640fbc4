"""How good the models are, on the same later window, user by user.

    protocol    which users are asked, which of their targets count, and whether a window leaked into another
    metrics     recall, NDCG, MRR, hit rate, coverage, novelty: one value per user first, the mean second
    satisfaction  the article's interest matrix, and the share of it that lists hold
    slices      cold and warm users and items, languages: the same metrics where averages hide something
    comparison  paired bootstrap of two models on the same users, and how many users a verdict would need
    results     values per user, means per slice, and the error where one is missing
    evaluator   all models over both windows; who is the challenger
    views       an evaluation in words, numbers and lines of pictures
    plots       small SVG pictures, drawn without a clock or a random id
    report      one HTML page for people

Nothing here decides. The gate (`components/release/gate.py`) does, from these files.
"""
