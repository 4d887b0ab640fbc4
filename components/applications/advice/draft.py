"""The draft of an overlay: sources with their columns, each with a note of what was guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.applications.advice.columns import Table
from components.contracts import TABLES
from components.data.files import find_files
from components.errors import ContractError


@dataclass
class SourceDraft:
    """One source of one table of the overlay."""

    table: str  # products, events, reviews or searches
    source: dict[str, Any]  # path, or attach, type and query; each
    columns: dict[str, str] = field(default_factory=dict)  # our column -> expression
    notes: dict[str, str] = field(default_factory=dict)  # our column -> what was guessed
    where: list[str] = field(default_factory=list)  # conditions, all of which must hold
    about: list[str] = field(default_factory=list)  # comments above the source
    seen: tuple[str, ...] = ()  # columns of the files

    def set(self, column: str, expression: str, note: str = "") -> None:
        """Map our column to an expression; a column of the same name needs no entry, but may have a note."""
        self.columns[column] = expression
        if note:
            self.notes[column] = note


@dataclass
class Draft:
    """What the overlay will say about the data."""

    sources: list[SourceDraft] = field(default_factory=list)
    lookups: dict[str, dict[str, str]] = field(default_factory=dict)
    not_used: list[str] = field(default_factory=list)  # files and columns, with the reason
    checks: list[str] = field(default_factory=list)  # what a person should look at

    def of(self, table: str) -> list[SourceDraft]:
        """Return the sources of a table."""
        return [s for s in self.sources if s.table == table]


def silence(draft: Draft) -> None:
    """Map our columns that were not found to NULL where the files have a column of that name, which would be taken."""
    for source in draft.sources:
        own = {name.lower() for name in source.seen}
        for column in TABLES[source.table]:
            if column in own and column not in source.columns:
                source.set(column, "NULL::VARCHAR", "the column of this name holds something else, or is used already")


def patterns(table: Table, root: Path) -> list[str]:
    """Return as few paths as possible that lead to the files of a table, and to no other."""
    paths = list(table.paths)
    if len(paths) < 2:
        return paths
    names = [Path(path).name for path in paths]
    start = re.sub(r"\d+$", "", _common(names))  # next year's file shall be found, too
    end = _common([name[::-1] for name in names])[::-1]
    end = end if all(len(name) >= len(start) + len(end) for name in names) else ""
    folder = str(Path(paths[0]).parent)
    for pattern in (f"{start}*{end}", f"{start}*{Path(names[0]).suffix}"):
        path = pattern if folder == "." else f"{folder}/{pattern}"
        try:
            found = find_files(path, root)
        except ContractError:
            continue
        if [f.path for f in found.files] == sorted(root / p for p in paths) and not found.not_read:
            return [path]
    return paths


def starts(table: Table, root: Path) -> list[dict[str, Any]]:
    """Return the beginnings of the sources that read the table."""
    if table.database:
        return [table.source()]
    return [table.source() | {"path": path} for path in patterns(table, root)]


def one_path(table: Table, root: Path) -> str:
    """Return the single path of a lookup; raises ContractError where the files need several."""
    paths = patterns(table, root)
    if len(paths) > 1:
        raise ContractError(
            f"{table.name}: expected files that one pattern names, got {', '.join(paths[:4])}; put them into a "
            "folder of their own, with names that begin alike"
        )
    return paths[0]


def _common(names: Sequence[str]) -> str:
    """Return the longest common beginning."""
    first, last = min(names), max(names)
    return first[
        : next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    ]
