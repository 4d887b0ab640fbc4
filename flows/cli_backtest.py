"""`carousel backtest`: policies of the loop replayed over past dates."""

from __future__ import annotations

from flows import startup
from flows.options import Every, Files, First, Json, Last, Plants, Policies, Sets


def backtest(
    first: First,
    last: Last,
    every: Every = "7d",
    policies: Policies = "never,superiority,refresh,newest",
    plants: Plants = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Replay policies over past dates, with or without planted faults -> reports/backtest; promotes nothing."""
    home = startup.prepare()
    from flows import server, terminal

    values = {"every": every, "policies": [name.strip() for name in policies.split(",")], "plants": plants or []}
    lines = {"overrides": sets or [], "overlays": startup.texts(files)}
    done = server.run_flow(home, "flows.backtest", "backtest", start=first, end=last, **values, **lines)
    from flows import backtest as replays

    terminal.show(done, True) if json else replays.show(done)
