"""`carousel gc`, `carousel keep` and `carousel forget`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import startup
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


def forget(
    users: Annotated[list[str] | None, typer.Argument(metavar="[USER]...", help="Ids of users")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", resolve_path=True, help="Text file with one user id a line")
    ] = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Remove users from service, snapshots, caches and exports; exit code 1 where a search still finds them.

    Without users: those whom the service was asked to delete (POST /admin/forget).
    """
    workspace = startup.open_workspace(files, sets)
    from components.errors import ContractError
    from components.offline.forget import Shop
    from components.offline.forget import forget as forget_users
    from flows import terminal
    from flows.audiences import read_ids

    listed = read_ids(file, workspace.params.data.null_ids) if file else []
    if file and not listed:
        raise ContractError(f"{file}: expected one user id a line, found none; correct the file, or leave --file out")
    named = [*(users or []), *listed]
    done = forget_users(Shop(workspace.root, workspace.settings, workspace.params), named, listed=file)
    if json:
        terminal.show(done.model_dump(mode="json"), True)
    else:
        terminal.write(done.describe())
    raise typer.Exit(0 if done.is_empty else 1)
