"""Guardrails on the lists of a refreshed model: each compares with another model's lists for the same users."""

from collections.abc import Iterator

from components.contracts import Check
from components.params import Params
from components.release.checks import AGREEMENT, CONCENTRATION, SCORE_SCALE, make_check
from components.release.evidence import CHAMPION, Evidence
from components.release.guardrails import read_metric


def all_checks(evidence: Evidence, params: Params, other: str = "the champion") -> Iterator[Check]:
    """Yield agreement, concentration and score scale; raises ReleaseError for a metric that is missing.

    other: how messages call the model that the evidence names CHAMPION.
    """
    k = evidence.primary.rsplit("_", 1)[1]
    yield _agreement(evidence, k, params.refresh.min_overlap, other)
    yield _concentration(evidence, k, params.refresh.max_concentration_ratio, other)
    yield _score_scale(evidence, k, params.refresh.max_scale_ratio, other)


def _agreement(evidence: Evidence, k: str, limit: float, other: str) -> Check:
    overlap = read_metric(evidence, evidence.challenger, f"overlap_at_{k}")
    why = f"{overlap:.0%} of a list's first {k} items are in {other}'s, refresh.min_overlap is {limit:.0%}"
    return make_check(f"{AGREEMENT}{other}", overlap, limit, why)


def _concentration(evidence: Evidence, k: str, ratio: float, other: str) -> Check:
    name = f"concentration_at_{k}"
    own, champion = read_metric(evidence, evidence.challenger, name), read_metric(evidence, CHAMPION, name)
    why = (
        f"the most listed 1 % of the products have {own:.1%} of the positions, against {other}'s {champion:.1%}; "
        f"refresh.max_concentration_ratio accepts {ratio * champion:.1%}"
    )
    return make_check(CONCENTRATION, own, ratio * champion, why)


def _score_scale(evidence: Evidence, k: str, limit: float, other: str) -> Check:
    """Return whether the scores have the other's scale, within a factor; one constant score for all has none."""
    name = f"score_spread_at_{k}"
    own, champion = read_metric(evidence, evidence.challenger, name), read_metric(evidence, CHAMPION, name)
    if own > 0 and champion > 0:
        factor: float | None = max(own / champion, champion / own)
    else:
        factor = 1.0 if own == champion else None
    why = (
        f"first and last score of a list differ by {own:.4g}, {other}'s by {champion:.4g} (medians); "
        f"refresh.max_scale_ratio is {limit:g}"
    )
    return make_check(SCORE_SCALE, factor, limit, why)
