"""Guardrails on the lists of a refreshed model, beside the champion's: agreement, concentration, score scale."""

import pytest

from components.errors import ReleaseError
from components.params import Params
from components.release.evidence import Evidence
from components.release.list_guardrails import all_checks

SAME = {"overlap_at_10": 0.9, "concentration_at_10": 0.4, "score_spread_at_10": 0.2}


def evidence(own: dict[str, float], champion: dict[str, float] | None = None) -> Evidence:
    test = {"ease": SAME | own, "champion": SAME | (champion or {})}
    return Evidence("ndcg_at_10", "ease", test, 200, None, {}, {}, [], [], {}, {})


def failed(found: Evidence, params: Params) -> list[str]:
    return [check.name for check in all_checks(found, params) if not check.passed]


@pytest.mark.parametrize(
    ("own", "names"),
    [
        ({}, []),
        ({"overlap_at_10": 0.31}, []),
        ({"overlap_at_10": 0.29}, ["agreement with the champion"]),
        ({"concentration_at_10": 0.5}, []),  # 1.25 times the champion's 0.4
        ({"concentration_at_10": 0.51}, ["concentration"]),
        ({"score_spread_at_10": 0.99}, []),  # nearly 5 times the champion's 0.2
        ({"score_spread_at_10": 1.01}, ["score scale"]),
        ({"score_spread_at_10": 0.039}, ["score scale"]),
        ({"score_spread_at_10": 0.0}, ["score scale"]),  # one score for all
    ],
)
def test_a_list_that_differs_too_much_from_the_champions_is_refused(
    params: Params, own: dict[str, float], names: list[str]
) -> None:
    assert failed(evidence(own), params) == names


def test_two_models_with_one_score_for_all_have_one_scale(params: Params) -> None:
    constant = {"score_spread_at_10": 0.0}
    assert failed(evidence(constant, constant), params) == []


def test_a_metric_that_is_missing_is_an_error_and_no_zero(params: Params) -> None:
    found = evidence({})
    found.test["champion"].pop("concentration_at_10")  # type: ignore[attr-defined]
    with pytest.raises(ReleaseError, match="test/champion/concentration_at_10"):
        list(all_checks(found, params))


def test_the_reason_names_value_limit_and_parameter(params: Params) -> None:
    agreement, concentration, scale = all_checks(evidence({"overlap_at_10": 0.2}), params)
    assert "20% of a list's first 10 items" in agreement.why
    assert "refresh.min_overlap is 30%" in agreement.why
    assert "refresh.max_concentration_ratio accepts 50.0%" in concentration.why
    assert "refresh.max_scale_ratio is 5" in scale.why
