"""`carousel VERB`: every verb is a flow, or one call. Exit codes: 0 done, 1 fault, 2 keep, 3 not enough evidence."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from flows import cli_advice, cli_offline, cli_release, cli_runs, cli_show, cli_storage, startup
from flows.cli_ads import ads
from flows.cli_applications import inventory
from flows.cli_backtest import backtest
from flows.cli_experiment import experiments
from flows.cli_federated import federated
from flows.cli_marketing import audience, marketing

VERBS = {  # in the order of `carousel --help`, each with the arguments of an example, or of one a line
    cli_advice.init: "exports/orders.csv exports/products.csv --yes",
    cli_advice.advise: "--params my-shop.yaml --out advice.yaml",
    cli_runs.retrain: "--bootstrap --set trainer.max_epochs=5",
    cli_runs.refresh: "--as-of 2026-03-01",
    cli_runs.monitor: "--json",
    cli_runs.tune: "--set tune.trials=10",
    cli_runs.curve: "--set evaluation.primary=recall_at_10",
    cli_release.decide: "--set gate.min_gain=0.001",
    cli_release.promote: "",
    cli_release.rollback: "",
    cli_release.serve: "--set serving.port=8080",
    cli_release.reproduce: "12",
    cli_release.diff: "11 12",
    cli_release.tag: "12",
    cli_show.doctor: "--params examples/online_retail/params.yaml\n--like shopify products.csv orders.csv",
    cli_show.params: "--all",
    cli_show.status: "--json",
    cli_show.privacy: "--json",
    cli_show.history: "",
    ads: "--log ad-log.parquet",
    backtest: "--from 2026-01-15 --to 2026-02-26 --every week --policies never,superiority,refresh,newest",
    cli_offline.recommend: "u-17 --k 5",
    cli_offline.export: "lists.parquet --k 20",
    cli_offline.impressions: "lists.parquet shown.csv",
    inventory: "--csv orders.csv",
    marketing: "--set marketing.clusters=8",
    audience: "'orders >= 3 and recency_days < 30' --out spring.csv",
    cli_storage.gc: "--dry-run",
    cli_storage.keep: "12",
    cli_storage.forget: "u-17\n--file users.txt",
}
app = typer.Typer(pretty_exceptions_enable=False, help=__doc__)
app.add_typer(experiments, name="experiment")
app.add_typer(federated, name="federated")
for verb, arguments in VERBS.items():
    examples = [f"Example: carousel {verb.__name__} {line}".strip() for line in arguments.split("\n")]
    app.command(epilog="\n\n".join(examples))(verb)


def print_versions(wanted: bool) -> None:
    """Print the versions of Carousel, Python and the packages that results depend on, and end."""
    if wanted:
        from flows.versions import installed_versions

        typer.echo("\n".join(f"{name} {number}" for name, number in installed_versions().items()))
        raise typer.Exit


@app.callback(help=__doc__)
def show_version(
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=print_versions, help="Print versions")
    ] = False,
) -> None:
    """Take the options that stand before a verb."""


def main() -> None:
    """Run the command line and exit with the code of the verb."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Return the exit code."""
    return startup.run(app, arguments)


if __name__ == "__main__":
    main()
