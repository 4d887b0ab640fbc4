"""What the rows of a draft say: windows with enough users, targets, repeats, and limits."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.applications.advice import overlay
from components.applications.advice.infer import infer
from components.applications.advice.questions import Answers
from components.applications.advice.trial import Facts, _targets, end_of, find_snapshot, is_live, round_up, try_draft
from components.errors import ContractError
from components.params import load
from tests.components.applications.advice import shops
from tests.components.applications.advice.support import looked_at
from tests.support import ROOT

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    root = tmp_path_factory.mktemp("shop")
    with looked_at(shops.month_files(root / "raw"), root) as (looked, _):
        draft = infer(looked, Answers(), root)
    return try_draft(draft, overlay.data_section(draft), root, root / "trial", NOW)


def test_users_products_and_the_anonymous_are_counted(facts: Facts) -> None:
    assert (facts.n_users, facts.n_products) == (40, 30)
    assert facts.newest is not None
    assert facts.newest.date().isoformat() == "2025-05-03"
    assert facts.anonymous_share == pytest.approx(1 / 7, abs=0.02)  # each seventh order has no customer
    assert facts.snapshot.is_dir()
    assert facts.bad_share("events") == facts.unknown_share("events") == 0.0
    assert facts.bad_share("reviews") == 0.0  # there are none


def test_of_a_small_shop_the_windows_take_half_of_the_events_at_most(facts: Facts) -> None:
    assert facts.windows[0] == facts.windows[1] == 30
    assert 0 < min(facts.window_users) <= 40
    assert facts.repeat_share == 1.0  # ten products for each user, again and again


def test_targets_are_purchases_where_there_are_some() -> None:
    assert _targets({"view": 1000, "purchase": 10}) == ["purchase"]
    assert _targets({"view": 1000, "cart": 50, "purchase": 9}) == ["purchase", "cart"]
    assert _targets({"view": 1000, "click": 5}) == ["click"]
    assert _targets({"impression": 9}) == ["impression"]


def test_limits_are_a_fifth_above_what_was_found() -> None:
    assert [round_up(share) for share in (0.0, 0.021, 0.25, 0.9)] == [0.0, 0.03, 0.3, 1.0]


def test_a_shop_is_live_for_two_days_after_its_newest_event() -> None:
    newest = datetime(2025, 5, 3, 22, 0, tzinfo=UTC)
    assert end_of(newest) == datetime(2025, 5, 4, tzinfo=UTC)
    assert is_live(newest, newest + timedelta(hours=48))
    assert not is_live(newest, newest + timedelta(hours=49))


def test_the_simulated_shop_has_no_snapshot_before_its_first_run(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="run `carousel retrain`"):
        find_snapshot(tmp_path, load(ROOT / "params.yaml").data, tmp_path, tmp_path / "own")
