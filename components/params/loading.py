"""Reads params.yaml, overlays and `a.b=c` overrides, in that order, on top of the defaults of the classes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from components.errors import ParamsError
from components.params.base import Section
from components.params.data import ShopParams, SourceParams
from components.params.renamed import RENAMED
from components.params.root import Params
from components.params.tuning import SearchRange
from components.params.yaml_files import Tree, parse, read_tree
from components.redact import redact

_REPLACED_WHOLE = {
    "sources",
    "lookups",
    "vectors",
    "weights",
    "space",
    "custom",
}  # an overlay replaces them as one value
Layer = tuple[str, Tree]  # where values were set, and the values


def load(
    path: Path, overlays: list[Path] | None = None, overrides: list[str] | None = None, now: datetime | None = None
) -> Params:
    """Return the parameters in `path`, with overlay files and `a.b=c` overrides on top, in that order.

    now: data.as_of of a real shop where no layer names one; None: the time of this call.
    Raises ParamsError naming the parameter, what was expected, what was given, and where.
    """
    found = layers(path, overlays or [], overrides or [])
    return check(_merge(found), str(path), found, now)


def merge(path: Path, overlays: list[Path], overrides: list[str]) -> Tree:
    """Return the merged tree with all defaults, unchecked. An overlay replaces single values and whole lists."""
    return _merge(layers(path, overlays, overrides))


def names_as_of(path: Path, overlays: list[Path], overrides: list[str]) -> bool:
    """Return whether a layer names data.as_of; also True for the simulated shop, which ends at a fixed moment."""
    data = merge(path, overlays, overrides)["data"]
    return bool(data["simulated"] is True or data["as_of"] is not None)


def layers(path: Path, overlays: list[Path], overrides: list[str]) -> list[Layer]:
    """Return what the file, each overlay and each override sets, in that order, and the name of each.

    Raises ParamsError for a file that cannot be read, and for a parameter under its name in an earlier version.
    """
    found = [(str(file), read_tree(file)) for file in (path, *overlays)]
    for line in overrides:
        name, equals, value = line.partition("=")
        parts = name.strip().split(".")
        if not equals or not all(parts):
            raise ParamsError(f"--set {line!r}: expected `a.b=c`, such as trainer.max_epochs=5")
        patch = parse(value, f"--set {line}")
        for part in reversed(parts):
            patch = {part: patch}
        found.append((f"--set {line}", patch))
    for where, tree in found:
        _refuse_renamed(tree, where)
    return found


def check(tree: Tree, where: str, found: Sequence[Layer] = (), now: datetime | None = None) -> Params:
    """Return the typed parameters, with data.as_of; raises ParamsError with a line for each wrong value, by origin.

    found: the layers of the tree; an error names the last one that sets the value, `where` if none does.
    now: see `load`.
    """
    try:
        return Params.model_validate(_fill_as_of(tree, now))
    except ValidationError as error:
        rows: dict[str, list[str]] = {}
        for e in error.errors(include_url=False):
            name = ".".join(map(str, e["loc"]))
            got = "" if isinstance(e["input"], dict) else f" (got {redact(repr(e['input'])):.80})"
            row = f"  {name}: {_message(e, tree)}{got}" if name else f"  {_message(e, tree)}"
            rows.setdefault(_origin(e["loc"], found) or where, []).append(row)
        texts = [f"{origin}: {len(some)} wrong value(s)\n" + "\n".join(some) for origin, some in rows.items()]
        raise ParamsError("\n".join(texts)) from None


def with_defaults(section: type[Section], tree: Tree) -> Tree:
    """Return the tree with the default of each value that it lacks; what has no default stays absent."""
    full = dict(tree)
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            inner = full.get(name, {})
            full[name] = with_defaults(kind, inner) if isinstance(inner, dict) else inner
        elif name not in full and not field.is_required():
            full[name] = to_jsonable_python(field.get_default(call_default_factory=True))
    return full


def paths(tree: Any, at: str = "") -> list[str]:
    """Return the path of each section and value in the tree: "serving", "serving.port"."""
    if not isinstance(tree, dict):
        return []
    return [path for key, value in tree.items() for path in (f"{at}{key}", *paths(value, f"{at}{key}."))]


def _refuse_renamed(tree: Tree, where: str) -> None:
    tune = tree.get("tune")
    space = tune.get("space") if isinstance(tune, dict) else None
    given = {*paths(tree), *(space if isinstance(space, dict) else ())}
    old = [path for path in RENAMED if path in given and not any(other.startswith(f"{path}.") for other in given)]
    if old:
        raise ParamsError(f"{where}: " + "; ".join(f"{path} is now called {RENAMED[path]}" for path in old))


def _fill_as_of(tree: Tree, now: datetime | None) -> Tree:
    """Return the tree with data.as_of where it is null: the end of the simulated shop, else `now` (None: the clock)."""
    data, shop = tree.get("data"), tree.get("shop")
    if not isinstance(data, dict) or "as_of" not in data or data["as_of"] is not None:
        return tree
    moment = now or datetime.now(UTC).replace(microsecond=0)
    if data.get("simulated") is True:
        try:
            moment = ShopParams.model_validate(shop).end
        except ValidationError:
            return tree | {"data": data | {"as_of": moment}}  # `check` names what is wrong with the section
    return tree | {"data": data | {"as_of": moment.isoformat()}}


def _merge(found: Sequence[Layer]) -> Tree:
    (_, tree), *patches = found
    tree = with_defaults(Params, tree)
    for where, patch in patches:
        _lay_over(tree, patch, where)
    return tree


def _origin(loc: tuple[int | str, ...], found: Sequence[Layer]) -> str | None:
    """Return the name of the last layer that sets the value, or the nearest section around it that one sets."""
    for end in range(len(loc), 0, -1):
        for where, tree in reversed(found):
            at: Any = tree
            for part in loc[: end - 1]:
                at = at.get(part) if isinstance(at, dict) else None
            if isinstance(at, dict) and loc[end - 1] in at:
                return where
    return None


def _lay_over(tree: Tree, patch: Tree, where: str, at: str = "") -> None:
    for key, value in patch.items():
        if key not in tree:
            raise ParamsError(f"{where}: unknown parameter {at}{key}; {_suggestion(str(key), tree)}")
        if isinstance(tree[key], dict) and key not in _REPLACED_WHOLE:
            if not isinstance(value, dict):
                raise ParamsError(f"{where}: {at}{key} is a section; expected parameters below it, got {value!r}")
            _lay_over(tree[key], value, where, f"{at}{key}.")
        else:
            tree[key] = value


def _message(error: Any, tree: Tree) -> str:
    """Return pydantic's message; for an unknown name, with the most similar valid one."""
    if error["type"] != "extra_forbidden":
        return str(error["msg"])
    *path, name = error["loc"]
    siblings: Any = with_defaults(Params, tree)
    for part in path:
        siblings = dict.fromkeys(SourceParams.model_fields) if isinstance(part, int) else siblings[part]
    if path[:-1] == ["tune", "space"]:
        siblings = SearchRange.model_fields
    return f"unknown parameter; {_suggestion(str(name), siblings)}"


def _suggestion(name: str, tree: Tree) -> str:
    known = [str(key) for key in tree if key != name]
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"expected one of {sorted(known)}"
