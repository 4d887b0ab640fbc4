"""Which numbers are refused as evidence; the table of verdicts is in test_gate.py."""

import math
from pathlib import Path

import pytest

from components.contracts import Evaluation, Interval
from components.errors import ReleaseError
from components.params import Params
from components.release.evidence import Evidence, read_evidence


def test_the_best_baseline_is_the_best_on_the_test_window() -> None:
    test = {"popularity": {"m": 0.1}, "neighbours": {"m": 0.3}}
    over = {name: Interval(gain=g, low=g, high=g, n_users=9) for name, g in (("popularity", 0.3), ("neighbours", 0.1))}
    evidence = Evidence("m", "ease", test, 9, None, over, {}, [], [], {}, {})
    assert evidence.over_best_baseline() == over["neighbours"]
    assert Evidence("m", "ease", test, 9, None, {}, {}, [], [], {}, {}).over_best_baseline() is None


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_numbers_are_checked_before_any_file_is_read(params: Params, tmp_path: Path, value: float | None) -> None:
    metrics = {} if value is None else {"ndcg_at_10": value}
    evaluation = Evaluation(
        as_of="2026-03-01",
        protocol="global_time",
        window=("a", "b"),
        simulated=True,
        n_users=9,
        n_items=9,
        primary="ndcg_at_10",
        challenger="ease",
        baselines=[],
        champion=None,
        champion_saw_test=False,
        validation={"ease": {"ndcg_at_10": 0.1}},
        test={"ease": metrics},
        slices=[],
        overfit_gap={},
    )
    with pytest.raises(ReleaseError, match="test/ease/ndcg_at_10"):
        read_evidence(evaluation, tmp_path / "no such file", 1.0, params)
    whole = evaluation.model_copy(update={"test": {"ease": {"ndcg_at_10": 0.1}}})
    with pytest.raises(ReleaseError, match="cannot be read"):
        read_evidence(whole, tmp_path / "no such file", 1.0, params)
