"""Well-known exports among the files: an overlay of examples/exports that reads all that it needs from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.applications.advice.columns import Table
from components.applications.advice.draft import patterns
from components.data.files import find_files
from components.data.lines import File
from components.errors import ContractError
from components.release.export_check import EXPORTS, UNUSED, Role, file_roles, list_exports, read_roles

FEW_COLUMNS = 5  # columns of an export below which other shops' files fit by chance: the files' names must agree


@dataclass(frozen=True)
class Recognised:
    """An export, and the paths of its files."""

    name: str
    overlay: str  # text, with the paths of the files that were found
    paths: dict[str, str]  # path of the overlay in examples/exports -> path found


def recognise(checkout: Path, root: Path, paths: list[Path]) -> Recognised | None:
    """Return the export whose overlay finds all of its files among these; None where none does.

    root: the data root. Of several, the one that needs the most columns.
    """
    try:
        files = [f for path in paths for f in find_files(str(path.resolve()), root).files]
    except ContractError:
        return None
    fitting = []
    for name in list_exports(checkout):
        roles = read_roles(checkout, name)
        found = _fill(roles, files, root)
        needed = {column for role in roles for column in role.needed}
        if (
            found is not None
            and (len(needed) > FEW_COLUMNS or _are_named(roles, files))
            and not _left_over(name, roles, files)
        ):
            text = (checkout / EXPORTS / f"{name}.yaml").read_text(encoding="utf-8")
            for old in sorted(found, key=len, reverse=True):
                text = text.replace(old, found[old])
            fitting.append((len(needed), name, Recognised(name, text, found)))
    return max(fitting, key=lambda f: f[:2])[2] if fitting else None


def _fill(roles: list[Role], files: list[File], root: Path) -> dict[str, str] | None:
    """Return overlay path -> path of the files that fit it; None where one has no file, or no single path."""
    found: dict[str, str] = {}
    for path in dict.fromkeys(role.path for role in roles):
        of_path = [role for role in roles if role.path == path]
        fitting = [f for f in files if all(role in file_roles(f, [role]) for role in of_path)]
        named = [f for f in fitting if of_path[0].named(f)]
        fitting = named or fitting
        folder = "." not in Path(path).name
        if not fitting:
            return None
        listed = tuple(str(f.path.relative_to(root)) if f.path.is_relative_to(root) else str(f.path) for f in fitting)
        if folder:
            parents = {str(Path(p).parent) for p in listed}
            if len(parents) > 1:
                return None
            found[path] = parents.pop()
            continue
        table = Table("", "", listed, 0, [])
        chosen = patterns(table, root)
        if len(chosen) > 1:
            return None
        found[path] = chosen[0]
    return found


def _are_named(roles: list[Role], files: list[File]) -> bool:
    return all(any(role.named(f) and "." in Path(role.path).name for f in files) for role in roles)


def _left_over(name: str, roles: list[Role], files: list[File]) -> bool:
    """Return whether most of the files are nothing of the export: then it is another shop that has one such file."""
    from fnmatch import fnmatch

    strange = [
        f
        for f in files
        if not file_roles(f, roles) and not any(fnmatch(f.path.name.lower(), p) for p in UNUSED.get(name, ()))
    ]
    return len(strange) > len(files) / 2
