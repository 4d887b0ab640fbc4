"""`carousel doctor --like NAME`: whether files are the export that an overlay of examples/exports reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from components import params
from components.data import sources
from components.data.files import find_files
from components.data.lines import File, read_lines
from components.data.lookups import parse_lookup
from components.data.parts import read_shape
from components.data.schemas import fields
from components.data.selects import Mapping
from components.errors import ContractError, ParamsError
from components.release.doctor import Finding

EXPORTS = Path("examples/exports")
UNUSED = {  # files that belong to an export and that its overlay does not read
    "hm": ("customers*.csv*", "sample_submission*"),
    "instacart": ("sample_submission*",),
    "movielens": ("links.csv", "tags.csv", "genome-*.csv"),
    "recbole": ("*.user", "*.kg", "*.link", "*.net"),
}
JSON_LINES = 200  # that are read for their keys
MAX_ABSENT = 0.5  # share of a source's columns that are not among them: a key without a value may be left out


@dataclass(frozen=True)
class Role:
    """What an overlay reads from one source, or from the files of a lookup."""

    name: str  # as in the parameters
    path: str
    mapping: Mapping
    texts: dict[str, str]  # our column -> expression
    needed: list[str]  # columns of the source
    optional: list[str]
    delimiter: str | None = None

    def fits(self, file: File, columns: list[str]) -> bool:
        """Return whether the file has what the overlay reads."""
        missing = self.missing(columns)
        return len(missing) < MAX_ABSENT * len(self.needed) if file.kind == "jsonl" else not missing

    def missing(self, columns: list[str]) -> list[str]:
        """Return the needed columns that are not among these."""
        return [name for name in self.needed if name.lower() not in {c.lower() for c in columns}]

    def named(self, file: File) -> bool:
        """Return whether the overlay would find a file of this name."""
        pattern = Path(self.path).name
        return "." not in pattern or fnmatch(file.path.name.lower().removesuffix(".gz"), pattern.lower())


def list_exports(root: Path) -> list[str]:
    """Return the names that `--like` takes."""
    return sorted(path.stem for path in (root / EXPORTS).glob("*.yaml"))


def examine_export(
    root: Path, data_root: Path, name: str, files: list[Path], overlays: list[Path], overrides: list[str]
) -> list[Finding]:
    """Return what each file is, and what is missing; all are ok where the overlay can read the export.

    files: of any name and folder; none: those below `data_root` that the overlay names.
    """
    if name not in list_exports(root):
        raise ParamsError(f"--like {name}: expected one of {', '.join(list_exports(root))}")
    overlay = EXPORTS / f"{name}.yaml"
    roles = list(_roles(params.load(root / "params.yaml", [root / overlay, *overlays], overrides).data))
    findings, filled = [], set()
    for path in [str(file) for file in files] or dict.fromkeys(role.path for role in roles):
        try:
            found = find_files(path, data_root)
        except ContractError as error:
            if files:
                findings.append(_finding(Path(path).name, False, str(error), "correct the path, or convert the file"))
            continue
        findings += [_finding(n.name, True, f"not read: {n.reason}") for n in found.not_read if files]
        for file in found.files:
            fitting, finding = _examine_file(file, name, roles)
            filled |= {role.path for role in fitting}
            findings.append(finding)
    paths = list(dict.fromkeys(role.path for role in roles))
    findings += [_missing([r for r in roles if r.path == path]) for path in paths if path not in filled]
    if all(f.ok for f in findings):
        ready = f"complete; below CAROUSEL_DATA_ROOT, or the checkout, the overlay reads {', '.join(paths)}"
        findings.append(_finding(name, True, f"{ready}\nnext: carousel retrain --params {overlay} --bootstrap"))
    return findings


def read_roles(root: Path, name: str) -> list[Role]:
    """Return what the overlay of an export reads."""
    return list(_roles(params.load(root / "params.yaml", [root / EXPORTS / f"{name}.yaml"], []).data))


def file_roles(file: File, roles: list[Role]) -> list[Role]:
    """Return the roles whose columns the file has; none where it cannot be read."""
    try:
        return [role for role in roles if role.fits(file, _read_columns(file, role))]
    except ContractError:
        return []


def _roles(data: params.DataParams) -> Iterator[Role]:
    import duckdb

    with duckdb.connect() as connection:
        for table, listed in data.sources.items():
            required = [n for n, field in fields(table, data.anonymous_events).items() if field.required]
            for number, source in enumerate(listed):
                if source.path is None:
                    continue
                mapping = sources.parse_mapping(connection, table, number, source)
                own = [n for n in required if n not in mapping.columns]
                needed = [n for n in dict.fromkeys([*own, *mapping.names]) if n not in source.optional]
                name = f"{table}[{number}]" if len(listed) > 1 else table
                yield Role(name, source.path, mapping, source.columns, needed, source.optional, source.delimiter)
        for name, lookup in data.lookups.items():
            mapping = parse_lookup(connection, name, lookup)
            needed = [n for n in mapping.names if n not in lookup.optional]
            texts = {"key": lookup.key, "value": lookup.value}
            yield Role(name, lookup.path, mapping, texts, needed, lookup.optional)


def _examine_file(file: File, export: str, roles: list[Role]) -> tuple[list[Role], Finding]:
    """Return what the overlay would read from the file, and what to say about it."""
    if any(fnmatch(file.path.name.lower(), pattern) for pattern in UNUSED.get(export, ())):
        return [], _finding(file.path.name, True, f"part of {export} that the overlay does not read")
    try:
        columns = {role.name: _read_columns(file, role) for role in roles}
    except ContractError as error:
        return [], _finding(file.path.name, False, str(error), "correct the file")
    able = [role for role in roles if role.fits(file, columns[role.name])]
    if not able:
        return [], _unknown(file, export, roles, columns)
    sizes = {path: sum(len(r.needed) for r in able if r.path == path) for path in {r.path for r in able}}
    best = max(able, key=lambda role: (role.named(file), sizes[role.path]))
    fitting = [role for role in able if role.path == best.path]
    advice = "" if best.named(file) else f"name it as {best.path}"
    return fitting, _finding(file.path.name, True, _describe(fitting, columns[best.name]), advice)


def _describe(roles: list[Role], columns: list[str]) -> str:
    """Return what is mapped, what is absent, and what is not used, each on a line."""
    known = {column.lower(): column for column in columns}
    lines = []
    for role in roles:
        own = {n: known[n] for n in role.mapping.own_names if n in known and n not in role.texts}
        mapped = [f"{column} <- {' '.join(text.split())}" for column, text in (role.texts | own).items()]
        lines.append(f"{role.name}: {'; '.join(mapped)}")
    used = {n.lower() for role in roles for n in [*role.mapping.own_names, *role.mapping.names]}
    wanted = dict.fromkeys(n for role in roles for n in [*role.needed, *role.optional])
    absent, unused = [n for n in wanted if n.lower() not in known], [n for n in columns if n.lower() not in used]
    lines += [f"absent, so null: {', '.join(absent)}"] if absent else []
    lines += [f"not used: {', '.join(unused)}"] if unused else []
    return "\n".join(lines)


def _unknown(file: File, export: str, roles: list[Role], columns: dict[str, list[str]]) -> Finding:
    """Return the finding about a file that is nothing of the export: expected and found columns."""
    nearest = min(roles, key=lambda r: (not r.named(file), len(r.missing(columns[r.name])) / max(len(r.needed), 1)))
    found = columns[nearest.name]
    said = (
        f"no file of {export}; as {nearest.path} ({nearest.name})\nexpected: {', '.join(nearest.needed)}\n"
        f"found: {', '.join(found)}\nmissing: {', '.join(nearest.missing(found))}"
    )
    return _finding(file.path.name, False, said, "export it with these columns, or write an overlay: docs/your-shop.md")


def _missing(roles: list[Role]) -> Finding:
    """Return the finding about a path of which no file is there."""
    needed = dict.fromkeys(name for role in roles for name in role.needed)
    said = f"no such file; expected: {', '.join(needed)}"
    return _finding(roles[0].path, False, said, "name the file that has these columns")


def _finding(name: str, ok: bool, found: str, advice: str = "") -> Finding:
    return Finding(name=name, ok=ok, found=found, advice=advice)


def _read_columns(file: File, role: Role) -> list[str]:
    """Return the columns of a file; of JSON Lines, the keys of its first objects."""
    shape = read_shape(file, role.mapping, role.delimiter)
    if shape.kind == "parquet":
        return [name for name, _ in shape.schema]
    if shape.header:
        return [name for name in shape.header.names if name]
    keys: dict[str, None] = {}
    for line in islice(read_lines(file), JSON_LINES):
        try:
            content = json.loads(line)
        except ValueError:
            continue
        keys |= dict.fromkeys(content if isinstance(content, dict) else ())
    return list(keys)
