"""Quality of the models on the same later window, user by user.

    protocol    the users of a window, the targets that count, and the check for leaks between windows
    metrics     recall, NDCG, MRR, hit rate, coverage, novelty: one value per user first, the mean second
    satisfaction  the article's interest matrix, and the share of it that lists cover
    slices      cold and warm users and items, languages: the same metrics, where averages may hide a loss
    comparison  paired bootstrap of two models on the same users, and the sample size for a decision
    results     values per user, means per slice, and the error where one is missing
    evaluator   all models over both windows; names the challenger
    report_data  labels, numbers and rows of plots of an evaluation
    plots       small SVG plots, without timestamps or random ids
    report      one HTML page

There is no verdict here: the gate (`components/release/gate.py`) decides from these files.
"""
