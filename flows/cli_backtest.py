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

    with server.temporary_server(home) as ready:
        from flows import backtest as replays
        from flows.tasks import unwrap

        run = replays.backtest if ready() else replays.backtest.fn
        names = [name.strip() for name in policies.split(",")]
        done = unwrap(
            run(
                start=first,
                end=last,
                every=every,
                policies=names,
                plants=plants or [],
                overrides=sets or [],
                overlays=startup.texts(files),
            )
        )
    terminal.show(done, True) if json else replays.show(done)
