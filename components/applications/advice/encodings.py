"""Text files that are not UTF-8: which encoding they probably have, and copies in UTF-8."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.data.files import find_files
from components.data.lines import File
from components.errors import ContractError, ParamsError

SAMPLE_BYTES = 4_000_000
FEW_LINES = 0.01  # share of lines that are not UTF-8 which ingest may put into quarantine
_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class Strange:
    """A text file in another encoding."""

    file: File
    guess: str  # a name that Python knows
    is_certain: bool  # by the mark at its beginning


def find_strange(paths: Sequence[Path], root: Path) -> list[Strange]:
    """Return the text files of which more than a few lines, or the header, are not UTF-8."""
    found = []
    for path in (p for p in paths if p.suffix.lower() not in (".db", ".sqlite", ".sqlite3")):
        for file in find_files(str(path.resolve()), root).files:
            guess = _guess(file) if file.kind in ("csv", "jsonl") else None
            found += [Strange(file, *guess)] if guess else []
    return found


def convert(strange: Sequence[Strange], encoding: str | None, folder: Path) -> dict[Path, Path]:
    """Write copies in UTF-8 below `folder`; return file -> copy.

    encoding: the user's answer; None: only files whose encoding is certain. Raises ParamsError naming the others, and
    ContractError where a file does not have the encoding.
    """
    open_ones = [s for s in strange if not s.is_certain] if encoding is None else []
    if open_ones:
        listed = "; ".join(f"{s.file.path.name}: perhaps {s.guess}" for s in open_ones)
        raise ParamsError(
            f"expected UTF-8 text, got another encoding ({listed}); name it, as in --encoding {open_ones[0].guess}, "
            "and copies in UTF-8 are written and used"
        )
    copies = {}
    for one in strange:
        name = encoding if encoding and not one.is_certain else one.guess
        copies[one.file.path] = _copy(one.file, name, folder / one.file.path.name.removesuffix(".gz"))
    return copies


def _guess(file: File) -> tuple[str, bool] | None:
    head = _read(file, SAMPLE_BYTES)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name, True
    lines = head.split(b"\n")[:-1] or [head]
    bad = [n for n, line in enumerate(lines) if not _is_utf8(line)]
    if not bad or (bad[0] > 0 and len(bad) <= FEW_LINES * len(lines)):
        return None
    text = b"\n".join(lines[n] for n in bad[:2000])
    try:
        chinese = sum("\u4e00" <= c <= "\u9fff" for c in text.decode("gb18030"))
    except UnicodeDecodeError:
        return "cp1252", False
    n_high = sum(b > 127 for b in text)
    return ("gb18030" if 2 * chinese > 0.6 * n_high else "cp1252"), False


def _copy(file: File, encoding: str, out: Path) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        out.write_text(_read(file).decode(encoding).replace("\r\n", "\n"), encoding="utf-8")
    except (LookupError, UnicodeDecodeError) as error:
        raise ContractError(f"{file.path.name}: expected {encoding}, got: {error}; try another --encoding") from None
    return out


def _read(file: File, limit: int = -1) -> bytes:
    with gzip.open(file.path, "rb") if file.is_gzip else file.path.open("rb") as stream:
        return stream.read(limit)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
