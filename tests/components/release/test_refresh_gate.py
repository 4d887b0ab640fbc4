"""The table of cases of a refresh: measurements on the left, the verdict and the check that failed on the right."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from components.contracts import ChampionRef
from components.errors import ReleaseError, StaleDecisionError
from components.release.checks import contradictions
from components.release.refresh_history import RefreshHistory
from tests.components.release.gate_cases import BAD_DATA, BAD_DRIFT, CHAMPION, N, failed, few_users, training_unfinished
from tests.components.release.refresh_cases import RefreshCase, noisy_loss

LEVEL_AT = "2026-02-22T00:00:00+00:00"  # a week before the evaluation


@pytest.fixture
def case(tmp_path: Path) -> RefreshCase:
    return RefreshCase(tmp_path)


def shown_worse(case: RefreshCase) -> None:
    case.lose(0.02)
    case.values["ease"] -= case.noise * 0.9  # 2 % less for everybody: within the margin, but certain


def below_the_margin(case: RefreshCase) -> None:
    """Lose 3.1 % with a standard error of 1.8 %: the interval contains 0, but of equal models 4 in 100 are so low."""
    noisy_loss(case, 0.031, 0.095)
    case.history = RefreshHistory(total=0.05)
    case.set("gate.resamples=5000")


def fewer_than_min_users(case: RefreshCase) -> None:
    few_users(case)


def loss_not_excluded(case: RefreshCase) -> None:
    """Equal models with a standard error of 33 %: chance explains a loss of 55 %."""
    noisy_loss(case, 0.0, 2.0)


def losses_add_up(case: RefreshCase) -> None:
    case.lose(0.006)
    case.history = RefreshHistory(total=-0.025, error=0.008)


def below_the_simple_model(case: RefreshCase) -> None:
    case.values["neighbours"] = case.values["champion"] + 0.05
    case.history = RefreshHistory(total=-0.01)


def level_fell(case: RefreshCase) -> None:
    case.history = RefreshHistory(level=0.7, level_at=LEVEL_AT)  # now about 0.3: 57 % less


def other_lists(case: RefreshCase) -> None:
    case.lists["ease"]["overlap_at_10"] = 0.05


def concentrated(case: RefreshCase) -> None:
    case.lists["ease"]["concentration_at_10"] = 0.51


def constant_scores(case: RefreshCase) -> None:
    case.lists["ease"]["score_spread_at_10"] = 0.0


def exploding_scores(case: RefreshCase) -> None:
    case.lists["ease"]["score_spread_at_10"] = 1.01


def shrinking_scores(case: RefreshCase) -> None:
    case.lists["ease"]["score_spread_at_10"] = 0.039


def one_slice_lost(case: RefreshCase) -> None:
    cold = case.slices["user:cold"]
    case.values["ease"] = np.where(cold, case.values["champion"] * 0.6, case.values["ease"] + 0.1)


def half_the_coverage(case: RefreshCase) -> None:
    case.coverage |= {"ease": 0.1, "champion": 0.3}


def slow(case: RefreshCase) -> None:
    case.latency_ms = 50.1


def no_drift(case: RefreshCase) -> None:
    case.drift = BAD_DRIFT


def bad_data(case: RefreshCase) -> None:
    case.data = [case.data[0], BAD_DATA.model_copy(update={"name": "data: repeated events"})]


def unchecked_data(case: RefreshCase) -> None:
    case.data = []


def saw_the_holdout(case: RefreshCase) -> None:
    case.changes |= {"champion_saw_test": True}


def unfinished(case: RefreshCase) -> None:
    before = case.changes
    training_unfinished(case)
    case.changes = before | case.changes


CASES: list[tuple[Callable[[RefreshCase], None], list[str]]] = [
    (shown_worse, ["not worse than champion"]),
    (below_the_margin, ["within the margin of champion"]),
    (fewer_than_min_users, ["users"]),
    (loss_not_excluded, ["possible loss"]),
    (losses_add_up, ["losses since the last retrain"]),
    (below_the_simple_model, ["not worse than neighbours", "within the margin of neighbours"]),
    (level_fell, ["level of the champion"]),
    (other_lists, ["agreement with the champion"]),
    (concentrated, ["concentration"]),
    (constant_scores, ["score scale"]),
    (exploding_scores, ["score scale"]),
    (shrinking_scores, ["score scale"]),
    (one_slice_lost, ["slice user:cold"]),
    (half_the_coverage, ["coverage against the champion"]),
    (slow, ["latency"]),
    (no_drift, ["drift is computable"]),
    (bad_data, ["data: repeated events"]),
    (unchecked_data, ["data: "]),
    (saw_the_holdout, ["champion has not seen the test window"]),
    (unfinished, ["training was finished"]),
]


def test_equal_models_are_refreshed(case: RefreshCase) -> None:
    decision = case.decide_refresh()
    assert failed(decision) == []
    assert (decision.verdict, decision.purpose, decision.bootstrap) == ("refresh", "refresh", False)
    assert decision.gain is not None
    assert decision.gain.low < 0 < decision.gain.high
    assert (decision.challenger_version, decision.champion) == (4, CHAMPION)
    assert decision.decided_at == "2026-03-01T04:00:00+00:00"
    assert decision.users_needed is None
    assert decision.notes == ["slice language:zh was not judged: too few users, 5 of 20 (evaluation.min_slice_users)"]
    assert any(reason.startswith("within the margin of champion") for reason in decision.reasons)
    assert contradictions(decision, case.evaluation()) == []


@pytest.mark.parametrize(("change", "checks"), CASES, ids=[c[0].__name__ for c in CASES])
def test_each_rule_keeps_the_champion_alone(
    case: RefreshCase, change: Callable[[RefreshCase], None], checks: list[str]
) -> None:
    change(case)
    decision = case.decide_refresh()
    assert decision.verdict == "keep"
    assert failed(decision) == checks
    assert [reason.partition(": ")[0] for reason in decision.reasons if not reason.startswith("data: ")] == [
        name for name in checks if not name.startswith("data: ")
    ]
    assert contradictions(decision, case.evaluation()) == []


def test_a_better_simple_model_is_a_note_where_the_refreshes_have_gained(case: RefreshCase) -> None:
    """To keep the champion, an older model of the same recipe, would serve nobody better."""
    below_the_simple_model(case)
    case.history = RefreshHistory(total=0.01)
    decision = case.decide_refresh()
    assert (decision.verdict, failed(decision)) == ("refresh", [])
    (note,) = [note for note in decision.notes if note.startswith("neighbours is better on this holdout: +0.05")]
    assert "carousel retrain" in note
    assert contradictions(decision, case.evaluation()) == []


def test_bounds_are_inclusive(case: RefreshCase) -> None:
    case.lists["ease"] |= {"overlap_at_10": 0.3, "concentration_at_10": 0.5, "score_spread_at_10": 1.0}
    assert case.decide_refresh().verdict == "refresh"
    case.lists["ease"]["overlap_at_10"] = 0.2999
    assert failed(case.decide_refresh()) == ["agreement with the champion"]


def test_the_running_sum_adds_relative_gains_and_their_variances(case: RefreshCase) -> None:
    case.history = RefreshHistory(total=0.02, error=0.003)
    decision = case.decide_refresh()
    (check,) = [c for c in decision.checks if c.name == "losses since the last retrain"]
    assert decision.gain is not None
    assert check.value is not None
    assert check.high is not None
    mean = float(case.values["champion"].mean())
    assert check.value == pytest.approx(0.02 + decision.gain.gain / mean)
    error = (decision.gain.high - decision.gain.low) / 2 / 1.959964 / mean
    assert check.high - check.value == pytest.approx(1.644854 * np.hypot(0.003, error), rel=1e-4)


def test_losses_that_chance_explains_do_not_add_up(case: RefreshCase) -> None:
    case.lose(0.006)
    case.history = RefreshHistory(total=-0.025, error=0.03)
    assert case.decide_refresh().verdict == "refresh"


def test_a_gain_pays_for_earlier_losses(case: RefreshCase) -> None:
    losses_add_up(case)
    case.lose(-0.01)
    assert case.decide_refresh().verdict == "refresh"


def test_a_champion_without_a_hit_has_no_relative_gain(case: RefreshCase) -> None:
    case.values["champion"] = np.zeros(N)
    case.values["neighbours"] = np.zeros(N)
    case.values["ease"] = np.zeros(N)
    assert failed(case.decide_refresh()) == ["losses since the last retrain"]


def test_a_fall_of_the_champion_that_chance_explains_ships(case: RefreshCase) -> None:
    """One user in fifty has a hit: a mean of 0.02 with a standard error of 0.007; from 0.03 it fell by a third."""
    hit = (np.arange(N) % 50 == 0).astype(float)
    case.values |= {"ease": hit, "champion": hit, "neighbours": hit}
    case.history = RefreshHistory(level=0.03, level_at=LEVEL_AT)
    assert "level of the champion" not in failed(case.decide_refresh())
    case.history = RefreshHistory(level=0.2, level_at=LEVEL_AT)
    assert failed(case.decide_refresh()) == ["level of the champion"]


def test_the_level_of_an_old_champion_or_of_a_retrain_is_not_compared(case: RefreshCase) -> None:
    assert "level of the champion" not in {check.name for check in case.decide_refresh().checks}
    case.history = RefreshHistory(level=0.7, level_at="2026-02-14T00:00:00+00:00")  # 15 days
    assert "level of the champion" not in {check.name for check in case.decide_refresh().checks}
    case.history = RefreshHistory(level=0.7, level_at="2026-02-15T00:00:00+00:00")
    assert failed(case.decide_refresh()) == ["level of the champion"]


def test_a_slice_that_lost_by_chance_does_not_keep_the_champion(case: RefreshCase) -> None:
    """Four of 20 users lose all: the interval is below zero, the sign test of four is not."""
    case.slices["user:cold"] = np.arange(N) < 20
    for model in ("champion", "ease"):
        case.values[model][:20] = 0.0
    case.values["champion"][:4] = 0.5
    case.values["ease"][20:] += 0.02
    decision = case.decide_refresh()
    assert decision.verdict == "refresh", decision.reasons
    (check,) = [c for c in decision.checks if c.name == "slice user:cold"]
    assert check.value == pytest.approx(-0.1)
    assert check.high == 0.0
    assert "chance explains" in check.why


def test_a_version_that_was_rolled_back_is_not_refreshed_again(case: RefreshCase) -> None:
    case.rolled_back = datetime(2026, 2, 28, 9, tzinfo=UTC)
    assert failed(case.decide_refresh()) == ["never rolled back"]


@pytest.mark.parametrize(("mode", "verdict"), [("enabled", "refresh"), ("dry_run", "refresh"), ("disabled", "keep")])
def test_the_mode_limits_the_verdict(case: RefreshCase, mode: str, verdict: str) -> None:
    case.set(f"gate.mode={mode}")
    decision = case.decide_refresh()
    assert (decision.mode, decision.verdict) == (mode, verdict)


def test_the_same_input_gives_the_same_decision(case: RefreshCase) -> None:
    assert case.decide_refresh() == case.decide_refresh()


def test_what_is_no_refresh_is_an_error(case: RefreshCase) -> None:
    case.changes["purpose"] = "retrain"
    case.changes["validation"] = {"ease": {"ndcg_at_10": 0.3}}
    with pytest.raises(ReleaseError, match="is of a retrain"):
        case.decide_refresh()
    case.changes["purpose"] = "refresh"
    case.without_champion()
    with pytest.raises(ReleaseError, match="needs a champion"):
        case.decide_refresh()


def test_another_champion_is_an_error(case: RefreshCase) -> None:
    case.changes["champion"] = ChampionRef(version=9, digest="9" * 64, model="ease")
    with pytest.raises(StaleDecisionError, match="version 9"):
        case.decide_refresh()


@pytest.mark.parametrize("metric", ["overlap_at_10", "concentration_at_10", "score_spread_at_10"])
def test_a_missing_figure_of_the_lists_is_an_error(case: RefreshCase, metric: str) -> None:
    for lists in case.lists.values():
        del lists[metric]
    with pytest.raises(ReleaseError, match=metric):
        case.decide_refresh()


def test_a_figure_that_is_not_finite_is_an_error(case: RefreshCase) -> None:
    case.lists["ease"]["score_spread_at_10"] = float("inf")
    with pytest.raises(ReleaseError, match="not finite"):
        case.decide_refresh()
