"""What each policy does as of a date."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from components.backtest.engine import Engine, View
from components.backtest.passes import Deployed, retrain
from components.backtest.policies import POLICIES, check_policies
from components.errors import ParamsError
from components.times import to_micros
from tests.components.backtest.support import day

FIRST, LATER = View(day(63)), View(day(77))
Engines = Callable[..., Engine]


def champion(engine: Engine) -> Deployed:
    made = retrain(engine, None, FIRST, as_served=False).made
    assert made is not None
    return made


def test_policies_are_found_by_name() -> None:
    assert check_policies(["newest", "never", "newest"]) == ["newest", "never"]
    with pytest.raises(ParamsError, match=r"unknown \['daily'\]; expected some of \['never', 'newest', 'once'"):
        check_policies(["newest", "daily"])
    with pytest.raises(ParamsError, match="expected some of"):
        check_policies([])


@pytest.mark.parametrize(
    ("name", "at_start", "in_a_month", "at_its_begin"),
    [
        ("never", [], [], []),
        ("once", ["refit"], [], []),
        ("superiority", [], [], ["retrain"]),
        ("refresh", ["refresh"], ["refresh"], ["retrain", "refresh"]),
        ("refresh_only", ["refresh"], ["refresh"], ["refresh"]),
        ("newest", ["refit"], ["refit"], ["refit"]),
    ],
)
def test_a_policy_retrains_once_a_month_and_refreshes_as_of_each_date(
    name: str, at_start: list[str], in_a_month: list[str], at_its_begin: list[str], engine: Engine
) -> None:
    policy, serving = POLICIES[name], champion(engine)
    opening = policy.start(engine, FIRST, serving)
    assert ([opening.purpose] if opening else []) == at_start
    assert [done.purpose for done in policy.passes(engine, LATER, serving, False)] == in_a_month
    assert [done.purpose for done in policy.passes(engine, LATER, serving, True)] == at_its_begin


def test_the_winner_of_a_retrain_is_refreshed_at_once(engine_of: Engines) -> None:
    serving = champion(engine_of("evaluation.candidates=[popularity]", "evaluation.baselines=[interests]"))
    engine = engine_of()
    proven, fresh = POLICIES["refresh"].passes(engine, LATER, serving, True)
    assert (proven.verdict, fresh.verdict) == ("promote", "refresh"), (proven.reasons, fresh.reasons)
    assert proven.made is not None
    assert fresh.made is not None
    assert fresh.made.recipe == proven.made.recipe != serving.recipe
    assert fresh.made.version == serving.version + 2
    assert fresh.made.model.fit_end == to_micros(LATER.as_of - timedelta(days=1)) > proven.made.model.fit_end


def test_what_did_not_ship_is_not_refreshed(engine: Engine) -> None:
    serving = champion(engine)
    kept, fresh = POLICIES["refresh"].passes(engine, LATER, serving, True)  # the same recipe: nothing to prove
    assert not kept.ships
    assert fresh.made is not None
    assert (fresh.made.recipe, fresh.made.version) == (serving.recipe, serving.version + 1)
