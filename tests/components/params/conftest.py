"""Shared fixtures of the parameter tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from components import params
from components.errors import ParamsError


@pytest.fixture(scope="session")
def file() -> Path:
    """Return the shipped params.yaml."""
    return Path(__file__).parents[3] / "params.yaml"


@pytest.fixture(scope="session")
def refusal(file: Path) -> Callable[[str], str]:
    """Return a function that returns the error message for a refused override."""

    def refuse(override: str) -> str:
        with pytest.raises(ParamsError) as refused:
            params.load(file, overrides=[override])
        return str(refused.value)

    return refuse
