"""`carousel gc` and `carousel keep`."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.options import Files, Json, Sets
from flows.startup import prepare, texts

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing")]
Release = Annotated[bool, typer.Option("--release", help="No longer keep it")]


def gc(dry_run: DryRun = False, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Remove old versions, unneeded files and old records, by the section gc of params.yaml."""
    home = prepare()
    from flows import server, terminal

    done = server.run_flow(home, "flows.gc", "gc", dry_run=dry_run, overrides=sets or [], overlays=texts(files))
    from flows import gc as cleaning

    if json:
        terminal.show(done, True)
    else:
        cleaning.show(cleaning.GcReport.model_validate(done))


def keep(version: int, release: Release = False, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Keep a version whatever its age: `carousel gc` does not remove it."""
    prepare()
    from components.release.retention import keep_version
    from flows import terminal
    from flows.workspace import open_workspace

    keep_version(open_workspace(texts(files), sets or [], None).registry(), version, not release)
    terminal.show({"version": version, "kept": not release}, json)
