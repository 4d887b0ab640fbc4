"""Parsing of options that several verbs share."""

from datetime import datetime
from pathlib import Path

import typer

from flows.options import AsOf, Files, Json, Sets


def test_repeatable_options_make_lists_and_as_of_is_a_time() -> None:
    app, given = typer.Typer(), []

    @app.command()
    def verb(as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False) -> None:
        given.append((as_of, sets, files, json))

    app(["--set", "a=1", "--set", "b=2", "--params", "x.yaml", "--as-of", "2011-06-01"], standalone_mode=False)
    app([], standalone_mode=False)
    assert given == [
        (datetime(2011, 6, 1), ["a=1", "b=2"], [Path("x.yaml").resolve()], False),
        (None, None, None, False),
    ]
