from datetime import UTC, datetime, timedelta

import pytest

from components.contracts import ChampionRef, Completion, Decision, Interval
from components.release.checks import make_check
from components.release.launch import Launch, launch_of_promotion, launch_of_rollback

DECIDED = datetime(2026, 3, 1, 4, tzinfo=UTC)
GAIN = Interval(gain=0.02, low=0.01, high=0.03, n_users=500)


def decision(champion: ChampionRef | None) -> Decision:
    return Decision(
        verdict="promote", mode="enabled", bootstrap=champion is None, reasons=[], checks=[], gain=GAIN,
        users_needed=None, challenger_version=2, challenger_digest="d", champion=champion, primary="ndcg_at_10",
        as_of="2020-01-05T00:00:00+00:00", evaluation_digest="e", decided_at=DECIDED.isoformat(),
    )  # fmt: skip


CHAMPION = ChampionRef(version=1, digest="c", model="ease")


@pytest.mark.parametrize(
    ("waited", "since"),
    [
        (timedelta(minutes=59), "2020-01-05T00:00:00+00:00"),
        (timedelta(hours=1), "2020-01-05T01:00:00+00:00"),
        (timedelta(days=2), "2020-01-07T00:00:00+00:00"),
    ],
)
def test_a_promotion_serves_from_its_as_of_and_a_later_call_from_later(waited: timedelta, since: str) -> None:
    assert launch_of_promotion(decision(CHAMPION), DECIDED + waited) == Launch(since=since, gain=GAIN)


def test_a_first_champion_has_no_gain_over_a_champion() -> None:
    assert launch_of_promotion(decision(None), DECIDED).gain is None


def test_a_refresh_says_up_to_when_it_was_judged_and_has_learned() -> None:
    done = Completion(
        judged_until="2020-01-01T00:00:00+00:00", learned_until="2020-01-05T00:00:00+00:00", models=["ease"],
        checks=[make_check("coverage", 0.5, 0.1, "")],
    )  # fmt: skip
    refreshed = decision(CHAMPION).model_copy(update={"purpose": "refresh", "completion": done})
    found = launch_of_promotion(refreshed, DECIDED)
    assert (found.is_refresh, found.judged_until, found.learned_until) == (
        True, done.judged_until, done.learned_until,
    )  # fmt: skip
    failed = done.model_copy(update={"checks": [make_check("coverage", 0.0, 0.1, "")]})
    refreshed = refreshed.model_copy(update={"completion": failed})
    assert launch_of_promotion(refreshed, DECIDED).learned_until == done.judged_until


def test_a_rollback_serves_from_the_last_launch_and_the_time_since() -> None:
    earlier = [
        ("2026-03-01T04:00:00+00:00", Launch(since="2020-01-05T00:00:00+00:00", gain=GAIN)),
        ("2026-03-03T04:00:00+00:00", Launch(since="2020-01-07T00:00:00+00:00")),
        ("2026-03-03T05:00:00+00:00", None),
    ]
    now = datetime(2026, 3, 3, 10, tzinfo=UTC)
    assert launch_of_rollback(earlier, now) == Launch(since="2020-01-07T06:00:00+00:00")


def test_without_an_earlier_launch_a_rollback_serves_from_now() -> None:
    assert launch_of_rollback([("2026-03-03T05:00:00+00:00", None)], DECIDED).since == "2026-03-01T04:00:00+00:00"


def test_a_refresh_is_marked() -> None:
    refresh = decision(CHAMPION).model_copy(update={"purpose": "refresh", "verdict": "refresh"})
    assert launch_of_promotion(refresh, DECIDED).is_refresh
    assert not launch_of_promotion(decision(CHAMPION), DECIDED).is_refresh
