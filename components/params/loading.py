"""Reads params.yaml, overlays and `a.b=c` overrides, in that order, on top of the defaults of the classes."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from components.errors import ParamsError
from components.params.base import Section
from components.params.data import SourceParams
from components.params.renamed import RENAMED
from components.params.root import Params
from components.redact import redact

Tree = dict[str, Any]
_REPLACED_WHOLE = {"sources", "weights", "space", "custom"}  # dictionaries that an overlay replaces as one value


def load(path: Path, overlays: list[Path] | None = None, overrides: list[str] | None = None) -> Params:
    """Return the parameters in `path`, with overlay files and `a.b=c` overrides on top, in that order.

    Raises ParamsError naming the parameter, what was expected and what was given.
    """
    return check(merge(path, overlays or [], overrides or []), str(path))


def merge(path: Path, overlays: list[Path], overrides: list[str]) -> Tree:
    """Return the merged tree with all defaults, unchecked. An overlay replaces single values and whole lists."""
    (_, tree), *patches = layers(path, overlays, overrides)
    tree = with_defaults(Params, tree)
    for where, patch in patches:
        _lay_over(tree, patch, where)
    return tree


def layers(path: Path, overlays: list[Path], overrides: list[str]) -> list[tuple[str, Tree]]:
    """Return what the file, each overlay and each override sets, in that order, and the name of each.

    Raises ParamsError for a file that cannot be read, and for a parameter under its name in an earlier version.
    """
    found = [(str(file), _read(file)) for file in (path, *overlays)]
    for line in overrides:
        name, equals, value = line.partition("=")
        if not equals:
            raise ParamsError(f"override {line!r}: expected `a.b=c`, such as trainer.max_epochs=5")
        patch = _yaml(value, f"override {line!r}")
        for part in reversed(name.strip().split(".")):
            patch = {part: patch}
        found.append((f"override {line!r}", patch))
    for where, tree in found:
        _refuse_renamed(tree, where)
    return found


def check(tree: Tree, where: str) -> Params:
    """Return the typed parameters; raises ParamsError with a line for each value that is wrong."""
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        rows = [
            f"  {'.'.join(map(str, e['loc']))}: {_message(e, tree)} (got {redact(repr(e['input'])):.80})"
            for e in error.errors()
        ]
        raise ParamsError(f"{where}: {len(rows)} wrong value(s)\n" + "\n".join(rows)) from None


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


def _read(path: Path) -> Tree:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror}); run in the checkout, or name the file") from None
    tree = _yaml(text, str(path))
    if not isinstance(tree, dict):
        raise ParamsError(f"{path}: expected sections such as `data:`, got {type(tree).__name__}")
    return tree


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: such as a date that does not exist
        raise ParamsError(f"{where}: not YAML: {error}") from None


def _lay_over(tree: Tree, patch: Tree, where: str, at: str = "") -> None:
    for key, value in patch.items():
        if key not in tree:
            raise ParamsError(f"{where}: unknown parameter {at}{key}; {_suggestion(key, tree)}")
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
    return f"unknown parameter; {_suggestion(str(name), siblings)}"


def _suggestion(name: str, tree: Tree) -> str:
    known = [key for key in tree if key != name]
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"expected one of {sorted(known)}"
