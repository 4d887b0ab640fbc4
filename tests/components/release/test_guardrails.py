from dataclasses import replace

import pytest

from components.contracts import Check, DriftVerdict, Interval, PushedProduct
from components.errors import ReleaseError
from components.params import Params
from components.release.evidence import Evidence, SliceGain
from components.release.guardrails import all_checks

DRIFT = DriftVerdict(
    drifted=True, computable=True, reasons=[], columns={}, thresholds={}, n_reference=9, n_current=9, reference="x"
)
DATA = Check(name="data: volume", passed=True, value=1.0, limit=2.0, why="as expected")


def evidence(slices: list[SliceGain], own: float = 0.3, champion: float = 0.4) -> Evidence:
    test = {"ease": {"coverage_at_20": own}, "champion": {"coverage_at_20": champion}}
    gain = Interval(gain=0.1, low=0.05, high=0.15, n_users=200)
    return Evidence("ndcg_at_10", "ease", test, 200, gain, {}, {}, [], slices, {}, {})


def part(gain: float, low: float, high: float) -> SliceGain:
    return SliceGain("user:cold", 0.2, Interval(gain=gain, low=low, high=high, n_users=50), certain_loss=False)


def verdicts(found: Evidence, params: Params, latency_ms: float = 50.0) -> dict[str, bool]:
    return {check.name: check.passed for check in all_checks(found, DRIFT, latency_ms, [DATA], params)}


@pytest.mark.parametrize(
    ("gain", "low", "high", "passed"),
    [
        (-0.03, -0.05, -0.01, False),  # 15 % lost, significant
        (-0.03, -0.07, 0.01, True),  # 15 % lost, but zero is within the interval
        (-0.01, -0.015, -0.005, True),  # a significant loss, but only 5 %
        (0.05, 0.01, 0.09, True),
    ],
)
def test_a_slice_fails_on_a_significant_and_large_loss(
    params: Params, gain: float, low: float, high: float, passed: bool
) -> None:
    assert verdicts(evidence([part(gain, low, high)]), params)["slice user:cold"] is passed


def test_bounds_are_inclusive(params: Params) -> None:
    good = [part(0.1, 0.05, 0.15)]
    assert all(verdicts(evidence(good, own=0.2, champion=0.4), params).values())
    assert not verdicts(evidence(good, own=0.1999, champion=0.4), params)["coverage against the champion"]
    assert not verdicts(evidence(good, own=0.0099, champion=0.01), params)["coverage"]
    assert not verdicts(evidence(good), params, latency_ms=50.001)["latency"]


def test_a_coverage_that_is_missing_is_a_fault(params: Params) -> None:
    found = evidence([part(0.1, 0.05, 0.15)])
    found.test["champion"].clear()  # type: ignore[attr-defined]
    with pytest.raises(ReleaseError, match="test/champion/coverage_at_20"):
        verdicts(found, params)


def test_a_latency_that_fails_says_what_to_do(params: Params) -> None:
    found = evidence([part(0.1, 0.05, 0.15)])
    why = {
        ms: next(c.why for c in all_checks(found, DRIFT, ms, [DATA], params) if c.name == "latency") for ms in (4, 60)
    }
    assert why[4] == "99th percentile 4.0 ms for one user, gate.max_latency_ms is 50"
    for advice in ("60.0 ms", "raise gate.max_latency_ms", "`carousel decide`", "models.hybrid.parts"):
        assert advice in why[60]


@pytest.mark.parametrize(
    ("before", "after", "passed"),
    [(0.0, 0.01, True), (0.0, 0.05, False), (0.1, 0.19, True), (0.1, 0.21, False)],
)
def test_a_pushed_product_may_fill_few_lists_or_twice_as_many(
    params: Params, before: float, after: float, passed: bool
) -> None:
    pushed = PushedProduct(item_id="P7", before=before, after=after, n_users=12, n_alone=10, n_new=11)
    found = replace(evidence([part(0.1, 0.05, 0.15)]), pushed=pushed)
    checks = {check.name: check for check in all_checks(found, DRIFT, 5.0, [DATA], params)}
    check = checks["exposure of a pushed product"]
    assert check.passed is passed
    assert "of the 12 buyers of product P7 10 bought nothing else and 11 were new" in check.why
