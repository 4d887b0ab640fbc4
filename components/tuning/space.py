"""The searched parameters: their current values, and the parameters with other values."""

from collections.abc import Mapping
from typing import Any

from components import params as parameters
from components.params import Params, section_of

Values = Mapping[str, float]  # "models.ease.l2" -> value


def current_values(params: Params, model: str) -> dict[str, float]:
    """Return the current values of the searched parameters of a model."""
    return {name: getattr(*section_of(params, name)) for name in params.tune.of(model)}


def with_values(params: Params, values: Values) -> Params:
    """Return the parameters with the values; raises ParamsError where they contradict each other."""
    tree = params.model_dump(mode="json")
    for name, value in values.items():
        *path, leaf = name.split(".")
        section = tree
        for part in path:
            section = section[part]
        section[leaf] = value
    return parameters.check(tree, f"a trial with {dict(values)}")


def nested(values: Values) -> dict[str, Any]:
    """Return the values as the tree of an overlay."""
    tree: dict[str, Any] = {}
    for name, value in sorted(values.items()):
        *path, leaf = name.split(".")
        section = tree
        for part in path:
            section = section.setdefault(part, {})
        section[leaf] = value
    return tree


def flat(tree: Mapping[str, Any], at: str = "") -> dict[str, float]:
    """Return the tree of an overlay as values by name."""
    out: dict[str, float] = {}
    for key, value in tree.items():
        out |= flat(value, f"{at}{key}.") if isinstance(value, dict) else {f"{at}{key}": value}
    return out


def format_values(values: Values) -> str:
    """Return the values in one line."""
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
