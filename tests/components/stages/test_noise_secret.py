"""The secret of private training: the environment, else a file that is made once."""

from pathlib import Path

import pytest

from components.params import load
from components.stages.noise_secret import noise_secret
from tests.support import ROOT


def test_the_environment_comes_before_the_file_which_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = load(ROOT / "params.yaml", overrides=["release.name=shop-a"])
    monkeypatch.setenv("CAROUSEL_HOME", str(tmp_path))
    monkeypatch.setenv("CAROUSEL_NOISE_KEY", "k" * 32)
    assert noise_secret(params) == b"k" * 32
    assert not list(tmp_path.rglob("noise.key"))
    monkeypatch.delenv("CAROUSEL_NOISE_KEY")
    made = noise_secret(params)
    assert (tmp_path / "shops/shop-a/noise.key").is_file()
    assert noise_secret(params) == made != b"k" * 32
