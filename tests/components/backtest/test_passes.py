"""Passes of the loop as of a date, judged by the real gates."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from components.backtest.engine import Engine, View
from components.backtest.passes import Deployed, ReplayedPass, attempt, refit, refresh, retrain
from components.errors import ContractError
from components.times import to_micros
from tests.components.backtest.support import day


def first(engine: Engine, at: int) -> Deployed:
    done = retrain(engine, None, View(day(at)), as_served=False)
    assert (done.verdict, done.purpose) == ("promote", "retrain")
    assert done.made is not None
    return done.made


def test_the_first_champion_has_a_recipe(engine: Engine) -> None:
    made = first(engine, 63)
    assert (made.version, made.model.name, made.history.total, made.history.level) == (1, "neighbours", 0.0, None)
    chosen = made.recipe.selection
    assert (chosen.recommender, chosen.best_simple, chosen.blend, chosen.sequence_epochs) == (
        "neighbours",
        "popularity",
        None,
        None,
    )
    assert to_micros(chosen.selected_until) == to_micros(day(63) - timedelta(days=10))
    assert made.recipe.params["models"]["neighbours"] == engine.params.models.neighbours.model_dump(mode="json")


def test_a_refit_learns_from_everything(engine: Engine) -> None:
    done = refit(engine, first(engine, 63), View(day(66)))
    assert (done.ships, done.purpose, done.reasons) == (True, "refit", [])
    assert done.made is not None
    assert (done.made.model.fit_end, done.made.version) == (to_micros(day(66)), 2)
    assert done.cpu_s == done.made.model.cpu_s


def test_a_refresh_ships_what_was_judged_and_keeps_the_recipe(engine: Engine) -> None:
    champion = first(engine, 63)
    done = refresh(engine, champion, View(day(66)))
    assert (done.verdict, done.ships) == ("refresh", True), done.reasons
    assert done.made is not None
    assert done.made.model.fit_end == to_micros(day(65))  # a day is enough: all users buy
    assert done.made.recipe == champion.recipe
    assert done.gain is not None
    assert done.made.history.total == pytest.approx(done.gain[0] / (done.made.history.level - done.gain[0]), abs=1e-6)
    assert done.completion is not None
    assert done.completion.models == ["neighbours"]
    assert done.made.completed is not None
    assert done.made.serves.fit_end == to_micros(day(66))  # the holdout, too
    newest = refit(engine, champion, View(day(66))).made
    assert newest is not None
    assert done.made.serves == newest.model
    again = refresh(engine, done.made, View(day(69)))
    assert again.made is not None
    assert again.made.version == 3


def test_without_the_holdout_what_was_judged_serves(engine_of: Callable[..., Engine]) -> None:
    engine = engine_of("refresh.learn_holdout=false")
    done = refresh(engine, first(engine, 63), View(day(66)))
    assert done.made is not None
    assert (done.completion, done.made.serves) == (None, done.made.model)


def test_a_gap_in_the_data_is_refused_with_its_reason(engine: Engine) -> None:
    champion = first(engine, 63)
    done = attempt(View(day(66), "gap"), "refresh", lambda: refresh(engine, champion, View(day(66), "gap")))
    assert not done.ships
    assert done.reasons


def test_what_a_run_reports_as_an_error_ships_nothing() -> None:
    def fail() -> ReplayedPass:
        raise ContractError("no events")

    done = attempt(View(day(66)), "refresh", fail)
    assert (done.verdict, done.reasons, done.made, done.ships) == ("error", ["no events"], None, False)
    with pytest.raises(ZeroDivisionError):
        attempt(View(day(66)), "refresh", lambda: ReplayedPass(**{"as_of": str(1 / 0)}))


def test_the_champion_takes_part_in_a_retrain_as_its_recipe(engine: Engine) -> None:
    """Its recipe, fitted on the same window, is as good as the challenger: no gain is shown."""
    champion = first(engine, 63)
    as_recipe = retrain(engine, champion, View(day(77)), as_served=False)
    assert (as_recipe.gain, as_recipe.ships) == ((0.0, 0.0, 0.0), False)
    as_served = retrain(engine, champion, View(day(77)), as_served=True)
    assert as_served.gain is not None
    assert as_served.gain[0] > 0
    assert as_served.made is not None
    assert as_served.made.model.key != champion.model.key


def test_passes_are_judged_by_the_question_of_the_gate(engine_of: Callable[..., Engine]) -> None:
    sets = ["evaluation.candidates=[neighbours, hybrid]", "models.hybrid.parts=[popularity, neighbours]"]
    engine = engine_of(*sets, "gate.primary=next_event")
    champion = first(engine, 63)
    assert champion.model.name == "hybrid"
    done = refresh(engine, champion, View(day(66)))
    (users,) = (check for check in done.checks if check.name == "users")
    assert "40 users of slice next_event in the holdout" in users.why
    frozen = engine_of(*sets)
    values = [one.score(champion.model, day(66), day(70)).value for one in (engine, frozen)]
    assert values[0] != values[1]
    assert first(frozen, 63).model.key != champion.model.key
