"""Which candidate is the challenger: the simplest within one standard error of the best on validation."""

from collections.abc import Mapping, Sequence

import numpy as np

from components.contracts import Candidate, Choice, FloatArray


def choose(values: Mapping[str, FloatArray]) -> Choice:
    """Return the choice among candidates, from the simplest on; values: (n_users,) of the same validation users.

    The standard error is that of the mean per-user difference to the best candidate. In a tie, the simpler is the best.
    Source: the one-standard-error rule, Breiman et al. 1984, section 3.4.3, with paired differences.
    """
    best = max(values, key=lambda name: float(values[name].mean(dtype=np.float64)))
    rows = [_candidate(name, values[name], values[best]) for name in values]
    close = [row.model for row in rows if row.behind <= row.standard_error]
    chosen = next(row for row in rows if row.model == close[0])
    if chosen.model == best:
        others = f"no simpler candidate is within one standard error of it ({len(rows)} candidates)"
        why = f"{best} is the best candidate on validation, {chosen.value:.4f}, and {others}"
    else:
        top = next(row for row in rows if row.model == best)
        why = (
            f"{best} is the best candidate on validation, {top.value:.4f}; {chosen.model} is the simplest of "
            f"{len(close)} within one standard error of it: {chosen.value:.4f}, {chosen.behind:.4f} less, standard "
            f"error {chosen.standard_error:.4f}"
        )
    return Choice(challenger=chosen.model, best=best, why=why, candidates=rows)


def best_of(values: Mapping[str, FloatArray], names: Sequence[str]) -> str | None:
    """Return which of the names has the highest mean; in a tie the first, and None for no name."""
    return max(names, key=lambda name: float(values[name].mean(dtype=np.float64)), default=None)


def _candidate(name: str, own: FloatArray, best: FloatArray) -> Candidate:
    behind = best.astype(np.float64) - own.astype(np.float64)
    error = behind.std(ddof=1) / np.sqrt(len(behind)) if len(behind) > 1 else 0.0
    return Candidate(model=name, value=own.mean(dtype=np.float64), behind=behind.mean(), standard_error=float(error))
