"""Power of the gate of a retrain, and whether `users_needed` says how many users a gain needs; for bench_gate.py."""

from collections.abc import Mapping

import numpy as np
from gate_bench import PAIRS, SIZES, Bench, row, table

from components.evaluation.comparison import POWER, users_needed

GAINS = (0.05, 0.1, 0.2)
PILOTS = 200  # samples from which the number of users needed is estimated
MIN_USERS, MAX_USERS = 20, 12_000  # of a simulated sample


def power(bench: Bench) -> bool:
    """How often a true gain is shown, and with how many users; whether `users_needed` says so."""
    gate, seed, good = bench.params.gate, bench.params.seed, True
    count = bench.pairs // 4
    print(f"\n### Power: share of {count} pairs in which the gain is shown, and users for {POWER:.0%}")
    columns = [*(f"{n} users" for n in SIZES), f"users for {POWER:.0%}", "`users_needed`, median of pilots", "ratio"]
    table("pair", "true gain", *columns, "its interval holds the number")
    for name, pair in PAIRS.items():
        for gain in GAINS:
            shown = {n: shown_share(bench, pair, gain, n, count) for n in SIZES}
            exact = users_for_power(bench, pair, gain, shown, count)
            n = max(100, min(SIZES[1], int(exact / 3)))
            pilots = [
                users_needed(*(bench.pool.values[m][rows] for m in pair), gate.promotion_confidence, 0.0, 500, seed)
                for rows in bench.samples(pair, gain, n, PILOTS)
            ]
            totals = [n + p.estimate for p in pilots if p]
            held = [p.low + n <= exact and (p.high is None or exact <= p.high + n) for p in pilots if p]
            ratio = float(np.median(totals)) / exact
            cells = [*(f"{p:.0%}" for p in shown.values()), f"{exact:,.0f}", f"{np.median(totals):,.0f}"]
            row(name, f"{gain:.0%}", *cells, f"{ratio:.2f}", f"{np.mean(held):.0%} of pilots with {n} users")
            good &= abs(ratio - 1) <= 0.2 or exact < 150  # pilots have 100 users at least
    return good


def shown_share(bench: Bench, pair: tuple[str, str], gain: float, n: int, count: int) -> float:
    """Return in which share of the samples the gain is shown."""
    gate = bench.params.gate
    low, _ = bench.resamples(n).bounds(bench.differences(pair, gain, n, count), gate.promotion_confidence)
    return float((low > gate.min_gain).mean())


def users_for_power(bench: Bench, pair: tuple[str, str], gain: float, shown: Mapping[int, float], count: int) -> float:
    """Return the number of users with which a gain is shown in POWER of the samples, by bisection to 6 %."""
    low = max((n for n, p in shown.items() if p < POWER), default=MIN_USERS)
    high = min((n for n, p in shown.items() if p >= POWER), default=MAX_USERS)
    while high / low > 1.06:
        n = round((low * high) ** 0.5)
        if shown_share(bench, pair, gain, n, count) < POWER:
            low = n
        else:
            high = n
    return float((low * high) ** 0.5)
