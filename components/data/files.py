"""Finds the files of a source, and names every file that it does not take, with the reason."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import unquote

from components.contracts import Record
from components.data.headers import is_json_lines
from components.data.lines import KINDS, File, kind_of
from components.errors import ContractError

ENDINGS = f".{', .'.join(KINDS)}"
EXPECTED = f"{ENDINGS}; text also with .gz"
HIDDEN = "hidden or temporary"
GLOB = "*?["
_HIDDEN = re.compile(
    r"\.|~\$|_(success|temporary|metadata|common_metadata|delta_log|spark_metadata|_macosx)$|_(committed|started)_"
    r"|(thumbs\.db|desktop\.ini)$|#.*#$|.*(~|\.(crc|tmp|temp|part|partial|crdownload|swp|bak))$",
    re.IGNORECASE,
)
_ADVICE = {
    "gz": "gzip of an unknown kind; name it by its content, such as .csv.gz",
    "dvc": "a DVC pointer; run `dvc pull` and name the data file",
    "json": "one JSON document; expected JSON Lines, one object per line (jq -c '.[]' writes it)",
    **dict.fromkeys(("zip", "7z", "rar", "tar", "tgz", "bz2", "xz", "zst", "lz4"), "not a compression that is read; "
                    "unpack it, or use gzip (.csv.gz)"),
    **dict.fromkeys(("xlsx", "xlsm", "xls", "ods"), "a spreadsheet; save it as CSV (UTF-8)"),
    **dict.fromkeys(("db", "sqlite", "sqlite3", "duckdb"), "a database; name it with `attach`, `type` and `query`"),
}  # fmt: skip
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


class NotRead(Record):
    """A file that a source's path leads to and that is not read."""

    name: str
    reason: str

    def __str__(self) -> str:
        """Return it as a part of a message."""
        return f"{self.name} ({self.reason})"


@dataclass(frozen=True)
class Found:
    """The files of a source, sorted by path, and those that are not read."""

    files: list[File]
    not_read: list[NotRead]


def find_files(pattern: str, root: Path, where: str = "data.sources") -> Found:
    """Return the files of a path, folder or glob pattern; raises ContractError where there are none.

    A part of the path that exists means itself, whatever characters it has. Links are followed; one file is read once.
    where: the parameter that names the path, for messages.
    """
    if ".." in Path(pattern).parts:
        raise ContractError(
            f"{where}: path {pattern}: expected a path below the checkout or an absolute path, got one with `..`"
        )
    start = Path(Path(pattern).anchor) if Path(pattern).is_absolute() else root
    paths, hidden = _expand(start, list(Path(pattern).relative_to(Path(pattern).anchor).parts))
    chosen: dict[tuple[int, int], File] = {}
    left: list[NotRead] = []
    for path, reason in [*((p, HIDDEN) for p in hidden), *_list(paths)]:
        name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
        why = reason or _reason(File(path, name))
        if why:
            left.append(NotRead(name=name, reason=why))
            continue
        stat = path.stat()
        first = chosen.setdefault((stat.st_dev, stat.st_ino), File(path, name))
        if first.path != path:
            left.append(NotRead(name=name, reason=f"the same file as {first.name}"))
    if not chosen:
        seen = f"found only {', '.join(map(str, left[:5]))}" if left else "found none"
        raise ContractError(
            f"{where}: path {pattern}: expected files ({EXPECTED}), {seen}; correct the path, or convert the file"
        )
    return Found(sorted(chosen.values(), key=lambda f: f.path), left)


def partition_values(files: list[File], key: str) -> list[str | None] | None:
    """Return the value that a folder named `key=value` gives each file, None where it has none; None if no file has."""
    found = [_partition(file.name, key) for file in files]
    return None if all(m is None for m in found) else [m and None if m == _NO_VALUE else m for m in found]


def partition_keys(files: Iterable[File]) -> list[str]:
    """Return the keys of folders named `key=value` above the files."""
    parts = (part for file in files for part in Path(file.name).parts[:-1])
    return list(dict.fromkeys(part.partition("=")[0] for part in parts if part.partition("=")[1]))


def _partition(name: str, key: str) -> str | None:
    pairs = (part.partition("=") for part in Path(name).parts[:-1])
    return next((unquote(value) for k, _, value in pairs if k.lower() == key.lower()), None)


def _expand(start: Path, parts: list[str]) -> tuple[list[Path], list[Path]]:
    """Return the paths below `start` that the parts of a pattern match, and the hidden ones that they do not name."""
    paths, hidden = [start], []
    for number, part in enumerate(parts):
        found: list[Path] = []
        for path in paths:
            if part == "**":
                found += [path, *(p for p in path.rglob("*") if p.is_dir() and not _is_hidden(p.relative_to(path)))]
            elif os.path.lexists(path / part):
                found.append(path / part)
            elif any(c in part for c in GLOB) and path.is_dir():
                ending = _lower_ending if number == len(parts) - 1 else str
                matching = [p for p in _children(path) if fnmatchcase(ending(p.name), part)]
                found += [p for p in matching if _HIDDEN.match(part) or not _HIDDEN.match(p.name)]
                hidden += [p for p in matching if p not in found]
        paths = sorted(set(found))
    return paths, hidden


def _is_hidden(path: Path) -> bool:
    return any(_HIDDEN.match(part) for part in path.parts)


def _lower_ending(name: str) -> str:
    """Return the name with a known ending in lower case, so that *.csv matches FEB.CSV."""
    match = re.search(r"(\.\w+)?\.\w+$", name) if kind_of(name) else None
    return name[: match.start()] + match[0].lower() if match else name


def _list(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the files of paths and of the folders among them, links last, each with the reason not to read it."""
    visited: set[tuple[int, int]] = set()
    pending, links = deque((p, False) for p in paths), deque[tuple[Path, bool]]()
    while pending or links:
        path, is_child = (pending or links).popleft()
        if is_child and _HIDDEN.match(path.name):
            yield path, HIDDEN
        elif path.is_symlink() and pending:
            links.append((path, is_child))
        elif path.is_dir():
            stat = path.stat()
            if (stat.st_dev, stat.st_ino) not in visited:
                visited.add((stat.st_dev, stat.st_ino))
                pending.extendleft((p, True) for p in sorted(_children(path), reverse=True))
        elif path.is_symlink() and not path.exists():
            yield path, "a link to a file that does not exist"
        else:
            yield path, "" if path.is_file() else "not a regular file"


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise ContractError(
            f"data.sources: {folder.name}: expected a readable folder, got: {error.strerror}; see to its rights"
        ) from None


def _reason(file: File) -> str:
    """Return why a file is not read; "" for a file of a kind that is."""
    ending = file.path.name.lower().rpartition(".")[2]
    if not file.kind:
        return _ADVICE.get(ending, "an unknown ending; rename or convert it")
    if file.path.name.lower().removesuffix(".gz").endswith(".json") and not is_json_lines(file):
        return _ADVICE["json"]
    return ""
