"""`carousel VERB`: every verb is a flow, or one call. Exit codes: 0 done, 1 fault, 2 keep, 3 not enough evidence."""

from __future__ import annotations

import sys

import typer

from flows import cli_offline, cli_release, cli_runs, cli_show, cli_storage, startup
from flows.cli_backtest import backtest
from flows.cli_experiment import experiments

VERBS = (  # in the order of `carousel --help`
    cli_runs.retrain, cli_runs.refresh, cli_runs.monitor, cli_runs.tune, cli_runs.curve,
    cli_release.decide, cli_release.promote, cli_release.rollback, cli_release.serve, cli_release.reproduce,
    cli_release.diff, cli_show.doctor, cli_show.params, cli_show.status, cli_show.history, backtest,
    cli_offline.recommend, cli_offline.export, cli_offline.impressions, cli_storage.gc, cli_storage.keep,
)  # fmt: skip
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(experiments, name="experiment")
for verb in VERBS:
    app.command()(verb)


def main() -> None:
    """Run the command line and exit with the code of the verb."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Return the exit code."""
    return startup.run(app, arguments)


if __name__ == "__main__":
    main()
