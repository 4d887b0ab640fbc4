"""A checkout to run stages in."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that makes a checkout with only params.yaml, under these overrides, and changes into it."""
    from tests.components.stages.support import enter_checkout

    return lambda overrides: enter_checkout(tmp_path, overrides, monkeypatch)
