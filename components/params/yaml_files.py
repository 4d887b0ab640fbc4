"""Reads YAML as parameters have it: a key that is given twice is an error, and errors name file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from components.errors import ParamsError

try:  # libyaml takes a tenth of the time
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML was built without it
    from yaml import SafeLoader  # type: ignore[assignment]

Tree = dict[str, Any]


class _Loader(SafeLoader):
    """Refuses a mapping with the same key twice, of which YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                raise yaml.YAMLError(f"{key.value} is there twice, in lines {seen[key.value]} and {line}; keep one")
            seen[key.value] = line
        return super().construct_mapping(node, deep)


def read_tree(path: Path) -> Tree:
    """Return the sections of a file, none for an empty one; raises ParamsError for a file that has no sections."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror}); run in the checkout, or name the file") from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: expected UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    tree = parse(text, str(path))
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ParamsError(f"{path}: expected sections such as `data:`, got {type(tree).__name__}")
    return tree


def parse(text: str, where: str) -> Any:
    """Return the value of YAML text; raises ParamsError naming `where`."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506  a SafeLoader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: such as a date that does not exist
        raise ParamsError(f"{where}: not YAML: {error}") from None
