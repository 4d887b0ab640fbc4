"""`carousel init`: from files to a first overlay that `carousel doctor` accepts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from components import params
from components.applications.advice import overlay
from components.applications.advice.columns import DATABASES, look
from components.applications.advice.draft import Draft
from components.applications.advice.encodings import convert, find_strange
from components.applications.advice.events import derive_products_of_unknown
from components.applications.advice.exports import Recognised, recognise
from components.applications.advice.infer import infer
from components.applications.advice.questions import Answers
from components.applications.advice.trial import Facts, try_draft
from components.data.files import find_files
from components.errors import ContractError
from components.monitoring.data_checks import check_data
from components.params.yaml_files import parse
from components.release.doctor import Finding, examine_overlay
from components.settings import Settings

MANY_UNKNOWN = 0.1  # share of the events with a product of no table from which products are made of events, too


@dataclass(frozen=True)
class Wish:
    """What the user asks of `carousel init`."""

    paths: list[Path]  # files and folders
    out: Path
    name: str  # release.name
    command: str  # as it was typed
    encoding: str | None = None


@dataclass(frozen=True)
class FirstOverlay:
    """The overlay, not yet written, and what was found."""

    text: str
    export: str | None  # name of the well-known export
    facts: Facts
    draft: Draft
    findings: list[Finding]  # of doctor


def make_overlay(wish: Wish, answers: Answers, checkout: Path, settings: Settings, now: datetime) -> FirstOverlay:
    """Return the overlay for the files, tried on their rows and examined by doctor.

    Raises OpenQuestionsError where something that changes the meaning of the data is open, and ContractError where the
    files hold no shop.
    """
    root = (settings.data_root or checkout).resolve()
    with TemporaryDirectory(prefix="carousel-init-") as name:
        folder = Path(name)
        paths = _in_utf8(wish, root)
        about = overlay.About(wish.name, wish.command, _shown(wish.out, checkout), now)
        export = recognise(checkout, root, paths) if not any(p.suffix.lower() in DATABASES for p in paths) else None
        if export is not None:
            draft, facts = Draft(), _try_export(export, root, folder, now)
            text = overlay.render_export(export.overlay, export.name, facts, about)
        else:
            draft, facts = _infer(paths, answers, root, folder, now)
            text = overlay.render(draft, facts, about)
        candidate = folder / "overlay.yaml"
        candidate.write_text(text, encoding="utf-8")
        findings = examine_overlay(checkout, settings, [candidate])
        if facts.newest is not None and all(f.ok for f in findings):
            text += _data_remarks(facts, checkout, candidate)
    return FirstOverlay(text, export.name if export else None, facts, draft, findings)


def name_of(paths: Sequence[Path]) -> str:
    """Return a name for the shop, of the letters that release.name may have: by its folder, or its only file."""
    path = paths[0].resolve()
    stem = path.name.split(".")[0] if len(paths) == 1 else path.parent.name
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
    return name or "my-shop"


def _data_remarks(facts: Facts, checkout: Path, overlay_file: Path) -> str:
    """Return comments on what the gate would find odd in the newest days of the data: it keeps a model back for it."""
    loaded = params.load(checkout / "params.yaml", [overlay_file])
    checks = check_data(facts.snapshot, loaded.data.as_of, loaded.data_checks, loaded.data.memory_gib)
    if not checks.failed:
        return ""
    lines = [f"#   - {check.name}: {check.why}" for check in checks.failed]
    return "\n".join(["# The gate keeps a model back for this, until it is corrected or allowed:", *lines]) + "\n"


def _infer(paths: Sequence[Path], answers: Answers, root: Path, folder: Path, now: datetime) -> tuple[Draft, Facts]:
    spill = folder / "spill"
    spill.mkdir()
    looked = look(paths, root, spill)
    draft = infer(looked, answers, root)
    looked.connection.close()
    facts = try_draft(draft, overlay.data_section(draft), root, folder / "trial", now)
    if facts.unknown_share("events") > MANY_UNKNOWN and draft.of("products"):
        derive_products_of_unknown(draft, facts.unknown_share("events"))
        facts = try_draft(draft, overlay.data_section(draft), root, folder / "again", now)
    return draft, facts


def _try_export(export: Recognised, root: Path, folder: Path, now: datetime) -> Facts:
    data = {k: v for k, v in parse(export.overlay, export.name)["data"].items() if k != "as_of"}
    return try_draft(Draft(), data, root, folder / "trial", now)


def _in_utf8(wish: Wish, root: Path) -> list[Path]:
    """Return the paths, with copies in UTF-8 of files in other encodings, below data/utf8 of the data root."""
    for path in wish.paths:
        if not path.exists():
            raise ContractError(f"{path}: expected a file or a folder, found none; correct the path")
    strange = find_strange(wish.paths, root)
    if not strange:
        return wish.paths
    copies = convert(strange, wish.encoding, root / "data/utf8" / wish.name)
    chosen: list[Path] = []
    for path in wish.paths:
        files = [path] if path.is_file() else [f.path for f in find_files(str(path.resolve()), root).files]
        chosen += [copies.get(f.resolve(), f) for f in files]
    return list(dict.fromkeys(chosen))


def _shown(path: Path, checkout: Path) -> str:
    return str(path.relative_to(checkout)) if path.is_relative_to(checkout) else str(path)
