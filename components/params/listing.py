"""Every parameter with its value, its description and where it was set: what `carousel params` prints."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from components.params.base import Section
from components.params.loading import layers, load
from components.params.root import Params, section_of

DEFAULT = "default"
_LINE = re.compile(r"""( *)(\w+):(?:"[^"]*"|'[^']*'|[^"'])*?(?:\s#\s+(.*))?$""")


class Parameter(NamedTuple):
    """One parameter with its effective value."""

    name: str  # "models.ease.l2"
    value: Any  # as JSON has it
    description: str  # unit and effect
    origin: str  # "default", the file, or "--set"


def list_parameters(path: Path, overlays: list[Path], overrides: list[str]) -> list[Parameter]:
    """Return all parameters in the order of the classes; raises ParamsError as `load` does."""
    params, comments = load(path, overlays, overrides), read_comments(path.read_text(encoding="utf-8"))
    patches = [patch for _, patch in layers(path, overlays, overrides)]
    origins = [path.name, *map(str, overlays), *("--set" for _ in overrides)]
    found = []
    for name, field in fields(Params):
        section, leaf = section_of(params, name)
        value = to_jsonable_python(getattr(section, leaf), exclude_none=True)
        origin = next((o for o, p in zip(origins[::-1], patches[::-1], strict=True) if _sets(p, name)), DEFAULT)
        found.append(Parameter(name, value, field.description or comments.get(name, ""), origin))
    return found


def fields(section: type[Section], at: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield the name and the field of each parameter below the section."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from fields(field.annotation, f"{at}{name}.")
        else:
            yield f"{at}{name}", field


def read_comments(text: str) -> dict[str, str]:
    """Return the comment behind each key of a YAML file in block style: "models.ease.l2" -> "L2 penalty"."""
    comments: dict[str, str] = {}
    above: list[tuple[int, str]] = []  # indent and name of the keys that the line is below
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            indent = len(match[1])
            above = [key for key in above if key[0] < indent]
            above.append((indent, match[2]))
            if match[3]:
                comments[".".join(name for _, name in above)] = match[3].strip()
    return comments


def _sets(patch: Any, name: str) -> bool:
    for part in name.split("."):
        if not isinstance(patch, dict) or part not in patch:
            return False
        patch = patch[part]
    return True
