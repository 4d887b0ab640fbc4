"""A checkout to run stages in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import ROOT


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that makes a checkout with nothing but params.yaml, under these overrides, and goes there."""

    def make(overrides: str) -> Path:
        (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("CAROUSEL_OVERRIDES", overrides)
        monkeypatch.setenv("CAROUSEL_HOME", str(tmp_path / "home"))
        monkeypatch.delenv("CAROUSEL_PARAMS", raising=False)
        return tmp_path

    return make
