"""When a deployment begins to serve, on the shop's clock, and what its decision expected of it.

The shop's clock is data.as_of: it differs from the machine's clock in simulated shops, with `--as-of` and in backfills.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from components.contracts import Decision, Interval, Record

RUN = timedelta(hours=1)  # a promotion that follows its decision within this counts from the decision's as_of


class Launch(Record):
    """The shop's time at the start of a deployment, and the gain that the gate had measured."""

    since: str  # ISO, UTC, on the shop's clock: the version serves the events from then on
    gain: Interval | None = None  # over the champion that it replaced, on the decision's window; None: a rollback
    is_refresh: bool = False  # True: the recipe of the champion before it, fitted on newer data
    judged_until: str | None = None  # ISO: of a refresh, what was judged learned from events before
    learned_until: str | None = None  # ISO: what serves did; later than judged_until where it learned the holdout, too


def launch_of_promotion(decision: Decision, now: datetime) -> Launch:
    """Return the launch of a decision that is applied now: its as_of, and the time that it waited for more than RUN."""
    waited = now - datetime.fromisoformat(decision.decided_at)
    since = datetime.fromisoformat(decision.as_of) + (waited if waited >= RUN else timedelta(0))
    done = decision.completion
    return Launch(
        since=_iso(since),
        gain=decision.gain if decision.champion else None,
        is_refresh=decision.purpose == "refresh",
        judged_until=done.judged_until if done else None,
        learned_until=done.shipped_until if done else None,
    )


def launch_of_rollback(earlier: Sequence[tuple[str, Launch | None]], now: datetime) -> Launch:
    """Return the launch of a rollback now: the last launch, and the time since.

    earlier: (machine's time, launch) of the deployments before, oldest first. Without one, now.
    """
    for at, launch in reversed(earlier):
        if launch is not None:
            return Launch(since=_iso(datetime.fromisoformat(launch.since) + (now - datetime.fromisoformat(at))))
    return Launch(since=_iso(now))


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
