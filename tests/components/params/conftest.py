"""What the tests of parameters share."""

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
    """Return a function that gives the message with which an override is refused."""

    def refuse(override: str) -> str:
        with pytest.raises(ParamsError) as refused:
            params.load(file, overrides=[override])
        return str(refused.value)

    return refuse
