"""Series of retrains of equal recipes, whose test windows overlap; for bench_gate.py."""

from datetime import timedelta
from statistics import NormalDist

import numpy as np
from gate_bench import ALPHA, PAIRS, WINDOW_DAYS, Bench, row, share, table
from gate_data import nightly_values

from components.contracts import FloatArray

SERIES = 2000


def series_of_retrains(bench: Bench) -> bool:
    """How often equal recipes replace one another when windows that overlap are looked at again and again.

    Each look fits both recipes anew. In a series, the sign of all differences of a user is by chance, so no
    recipe is better.
    """
    first = bench.last - timedelta(days=bench.nights - 1)
    normal, promotion, good = NormalDist(), bench.params.gate.promotion_confidence, True
    z = normal.inv_cdf((1 + promotion) / 2)
    print(f"\n### {bench.nights} days of equal recipes, {SERIES} series: a gain at {100 * promotion:g} %")
    needed = f"level at which {ALPHA:.0%} of the series have one"
    table("retrain", "pair", "looks", "a look shows a gain", "series with any change of the recipe", needed)
    for name, days in (("weekly", range(0, bench.nights, 7)), ("nightly", range(bench.nights if bench.nightly else 0))):
        if not len(days):
            continue
        values = nightly_values(bench.shop, first, days, WINDOW_DAYS, ("als", "als 2", "ease"))
        for label, (one, other) in PAIRS.items():
            scores = series_scores(values[one] - values[other], bench.params.seed)
            highest = scores.max(axis=1)
            changed = int((highest > z).sum())
            level = 2 * normal.cdf(float(np.quantile(highest, 1 - ALPHA))) - 1
            cells = len(days), f"{(scores > z).mean():.1%}", share(changed, SERIES), f"{level:.3f}"
            row(name, label, *cells)
            good &= name == "nightly" or changed <= ALPHA * SERIES
    return good


def series_scores(differences: FloatArray, seed: int) -> FloatArray:
    """Return (SERIES, looks) z-scores; differences: (n_users, looks), NaN where a user has no target in a window."""
    differences = differences[np.isfinite(differences).any(axis=1)]
    n_known, values = np.isfinite(differences).sum(axis=0), np.nan_to_num(differences)
    signs = np.random.default_rng(seed).choice(np.array([-1, 1], np.float32), (SERIES, len(differences)))
    means = signs @ values / n_known
    scores: FloatArray = means / np.sqrt(((values**2).sum(axis=0) / n_known - means**2) / n_known)
    return scores
