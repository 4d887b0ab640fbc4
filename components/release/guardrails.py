"""What a release must not make worse: slices, coverage, latency; and drift and data must be fit to learn from."""

from collections.abc import Iterator, Sequence

from components.contracts import Check, DriftVerdict
from components.errors import ReleaseError
from components.monitoring.data_checks import PREFIX as DATA
from components.params import Params
from components.release.checks import COVERAGE, COVERAGE_RATIO, DRIFT, EXPOSURE, LATENCY, SLICE, make_check
from components.release.evidence import CHAMPION, Evidence, SliceGain


def all_checks(
    evidence: Evidence, drift: DriftVerdict, latency_ms: float, data_checks: Sequence[Check], params: Params
) -> Iterator[Check]:
    """Yield each guardrail; those against the champion only where there is one."""
    if evidence.over_champion is not None:
        yield from slice_checks(evidence, params)
    yield from common_checks(evidence, drift, latency_ms, data_checks, params)


def common_checks(
    evidence: Evidence, drift: DriftVerdict, latency_ms: float, data_checks: Sequence[Check], params: Params
) -> Iterator[Check]:
    """Yield the guardrails that every model must hold: coverage, latency, drift, data."""
    yield from list_checks(evidence, params)
    yield _latency(latency_ms, params.gate.max_latency_ms)
    why = "all columns are present" if drift.computable else f"not computable: {'; '.join(drift.reasons)}"
    yield make_check(DRIFT, 1.0 if drift.computable else None, 1.0, why)
    yield from data_checks or [make_check(DATA, None, None, "the data were not checked: run the stage `drift` again")]


def list_checks(evidence: Evidence, params: Params, other: str = "the champion") -> Iterator[Check]:
    """Yield coverage, and where the evidence has a CHAMPION, which messages call `other`, what is compared with it."""
    yield from _coverage(evidence, params, other)
    if CHAMPION in evidence.test:
        yield _exposure(evidence, params.gate.max_pushed_exposure, other)


def slice_checks(evidence: Evidence, params: Params, only_certain: bool = False) -> Iterator[Check]:
    """Yield one check per slice. It fails when the loss exceeds max_slice_loss and the whole interval lies below zero.

    A failed slice always prevents a promotion. Among several slices one can fail by chance: the verdict is `keep` only
    if the loss is significant after a correction for their number (`certain_loss`), else not enough evidence.
    only_certain: a slice fails only with a certain loss, for a verdict that knows no "not enough evidence".
    """
    if not evidence.slices:
        least = params.evaluation.min_slice_users
        why = f"no slice has evaluation.min_slice_users ({least}) users or more: no slice could be checked"
        yield make_check(f"{SLICE}s", None, None, why)
    for part in evidence.slices:
        high = part.gain.high if part.certain_loss or not only_certain else max(part.gain.high, 0.0)
        yield _slice(part, params.gate.max_slice_loss, high)


def _slice(part: SliceGain, max_loss: float, high: float) -> Check:
    gain = part.gain
    why = (
        f"{gain.gain:+.4f} against the champion's {part.champion:.4f} over {gain.n_users} users, interval "
        f"{gain.low:+.4f} to {gain.high:+.4f}; a loss of up to {max_loss:.0%} is accepted"
    )
    if gain.high < 0 <= high:
        why += ", and one that chance explains among so many slices"
    return make_check(f"{SLICE} {part.name}", gain.gain, -max_loss * part.champion, why, high)


def _exposure(evidence: Evidence, least: float, other: str) -> Check:
    """Return whether no product is pushed into the lists by buyers who were made for it."""
    pushed = evidence.pushed
    if pushed is None:
        return make_check(
            EXPOSURE, 0.0, least, "no product has more new buyers, or buyers of it alone, than chance explains"
        )
    limit = max(2 * pushed.before, least)
    why = (
        f"of the {pushed.n_users} buyers of product {pushed.item_id} {pushed.n_alone} bought nothing else and "
        f"{pushed.n_new} were new, more than chance explains; it is in {pushed.after:.1%} of the lists, in "
        f"{pushed.before:.1%} of {other}'s, and "
        f"{limit:.1%} is accepted; if these users are fake, leave them out in data.sources (`where`)"
    )
    return make_check(EXPOSURE, pushed.after, limit, why)


def _latency(latency_ms: float, limit: float) -> Check:
    why = f"99th percentile {latency_ms:.1f} ms for one user, gate.max_latency_ms is {limit:g}"
    if latency_ms > limit:
        why += (
            "; raise gate.max_latency_ms and run `carousel decide`, or remove parts from models.hybrid.parts or slow "
            "models from evaluation.candidates and run `carousel retrain`"
        )
    return make_check(LATENCY, latency_ms, limit, why)


def _coverage(evidence: Evidence, params: Params, other: str) -> Iterator[Check]:
    name = f"coverage_at_{max(params.evaluation.ks)}"
    share = read_metric(evidence, evidence.challenger, name)
    limit = params.gate.min_coverage
    why = f"{name} is {share:.2%} of the catalogue, gate.min_coverage is {limit:.2%}"
    yield make_check(COVERAGE, share, limit, why)
    if CHAMPION in evidence.test:
        champion = read_metric(evidence, CHAMPION, name)
        limit = params.gate.min_coverage_ratio * champion
        why = f"{share:.2%} against {other}'s {champion:.2%}, gate.min_coverage_ratio asks for {limit:.2%}"
        yield make_check(f"{COVERAGE_RATIO}{other}", share, limit, why)


def read_metric(evidence: Evidence, model: str, name: str) -> float:
    """Return a metric of the test window; raises ReleaseError where it is missing."""
    if name not in evidence.test[model]:
        raise ReleaseError(
            f"metrics missing from the evaluation: test/{model}/{name}; it never counts as zero, evaluate again"
        )
    return evidence.test[model][name]
