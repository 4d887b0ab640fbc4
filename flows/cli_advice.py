"""`carousel init` and `carousel advise`: from files to a first overlay, and from data to what is worth running."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import startup
from flows.options import AsOf, Files, Json, Sets

if TYPE_CHECKING:
    from components.applications.advice.first_overlay import FirstOverlay, Wish
    from components.applications.advice.questions import Question

Sources = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE]...", resolve_path=True, help="Files, folders or SQLite databases of the shop"),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE.yaml", resolve_path=True, help="File to write; default: NAME.yaml"),
]
Name = Annotated[str, typer.Option("--name", help="Name of the shop (release.name); default: by the folder or file")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing: refuse where the data do not decide")]
Given = Annotated[
    list[str] | None, typer.Option("--answer", metavar="KEY=VALUE", help="Answer to a question; repeatable")
]
Encoding = Annotated[
    str | None,
    typer.Option("--encoding", help="Of text that is not UTF-8, such as gb18030; copies are written"),
]
AdviceFile = Annotated[
    Path | None, typer.Option("--out", metavar="FILE.yaml", resolve_path=True, help="Write the advised overlay, too")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the overlay if it exists")]


def init(
    sources: Sources = None,
    out: Out = None,
    name: Name = "",
    yes: Yes = False,
    answers: Given = None,
    encoding: Encoding = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Look at a shop's files and write a first overlay, with comments on what was guessed."""
    folder = Path.cwd()
    startup.prepare()
    from components.applications.advice.first_overlay import Wish, name_of
    from components.errors import ParamsError

    can_ask = not yes and not json and sys.stdin.isatty()
    paths = [folder / path for path in sources or (_ask_for_sources() if can_ask else [])]
    if not paths:
        raise ParamsError("init: expected files or folders, as in `carousel init orders.csv products.csv`")
    if not yes and not can_ask:
        raise ParamsError("init: there is no terminal to ask on; add --yes, and --answer for what is asked")
    proposed = name or name_of(paths)
    chosen = typer.prompt("Name of the shop", default=proposed) if can_ask and not name else proposed
    target = out or folder / f"{chosen}.yaml"
    if target.exists() and not overwrite and not (can_ask and typer.confirm(f"{target.name} exists. Replace it?")):
        raise ParamsError(f"init: {target} exists and is kept; name another file with --out, or add --overwrite")
    command = f"carousel init {' '.join(map(str, sources or paths))}"
    _write(Wish(paths, target, chosen, command, encoding), answers or [], can_ask, json)


def advise(
    as_of: AsOf = None, sets: Sets = None, files: Files = None, out: AdviceFile = None, json: Json = False
) -> None:
    """Say what is worth running on the shop's data, what it costs, and what gain to expect."""
    workspace = startup.open_workspace(files, sets, as_of)
    from tempfile import TemporaryDirectory

    from components.applications.advice.advice import advise_shop
    from components.applications.advice.trial import find_snapshot
    from components.io import write_text
    from flows import terminal

    data_root = Path(workspace.env["CAROUSEL_DATA_ROOT"])
    with TemporaryDirectory(prefix="carousel-advise-") as folder:
        snapshot = find_snapshot(workspace.root, workspace.params.data, data_root, Path(folder))
        found = advise_shop(workspace.root, snapshot, workspace.params)
    if out is not None:
        write_text(out, found.to_yaml())
    if json:
        terminal.show(found.model_dump(mode="json"), True)
        return
    terminal.write(f"{found.verdict}")
    terminal.write(f"about {found.minutes:.0f} minutes on this machine, {found.minutes_now:.0f} at its present load")
    for title, texts in (("", found.reasons), ("collect next:", found.collect)):
        terminal.write("\n".join([*filter(None, [title]), *(f"- {text}" for text in texts)]))
    if out is not None:
        terminal.write(f"{out} is written: carousel retrain --params YOURS --params {out}")


def _write(wish: Wish, given: list[str], can_ask: bool, json: bool) -> None:
    """Make the overlay, write it, and show what was found; exit code 1 where doctor would refuse it."""
    from datetime import UTC, datetime

    from components.applications.advice.first_overlay import make_overlay
    from components.applications.advice.questions import Answers, parse_answers
    from components.io import write_text
    from components.settings import Settings
    from flows import terminal

    checkout = Path.cwd()
    answers = Answers(parse_answers(given), _ask if can_ask else None)
    made = make_overlay(wish, answers, checkout, Settings().resolved(checkout), datetime.now(UTC))
    write_text(wish.out, made.text)
    ok = all(f.ok for f in made.findings)
    if json:
        found = {"overlay": str(wish.out), "export": made.export, "ok": ok, "answers": answers.used}
        terminal.show(found | {"findings": [f.model_dump() for f in made.findings]}, True)
    else:
        _show(wish, made)
    raise typer.Exit(0 if ok else 1)


def _show(wish: Wish, made: FirstOverlay) -> None:
    from flows import terminal

    facts = made.facts
    if made.export:
        terminal.write(f"The files are an export of {made.export}.")
    terminal.write(
        f"{facts.n_users} users, {facts.n_products} products, "
        f"{', '.join(f'{n} {kind}' for kind, n in facts.kinds.items())}; "
        f"{facts.first:%Y-%m-%d} to {facts.newest:%Y-%m-%d}"
        if facts.first and facts.newest
        else "no events were read"
    )
    terminal.table([("ok" if f.ok else "NO", f.name, f.found, f.advice) for f in made.findings])
    terminal.write(
        f"{wish.out} is written. Read its comments, then run\n  carousel retrain --params {wish.out} --bootstrap"
    )


def _ask_for_sources() -> list[Path]:
    import shlex

    return [Path(text).expanduser() for text in shlex.split(typer.prompt("Files or folders of the shop"))]


def _ask(question: Question) -> str:
    """Return the answer that the user chooses by its number."""
    typer.echo(question.text)
    for number, (value, why) in enumerate(question.candidates, 1):
        typer.echo(f"  {number}) {value}  ({why})")
    number = typer.prompt("Number", type=typer.IntRange(1, len(question.candidates)))
    return question.candidates[number - 1][0]
