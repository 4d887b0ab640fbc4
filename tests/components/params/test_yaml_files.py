"""YAML files of parameters: keys that are given twice, empty files, and files that are no text."""

from pathlib import Path

import pytest

from components import params
from components.errors import ParamsError


def test_a_key_that_is_given_twice_is_refused(file: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "my-shop.yaml"
    overlay.write_text("data:\n  simulated: false\nseed: 1\ndata:\n  anonymous_events: true\n")
    with pytest.raises(ParamsError, match=r"my-shop\.yaml: not YAML: data is there twice, in lines 1 and 4"):
        params.load(file, [overlay])


def test_an_overlay_that_is_empty_or_no_text_is_not_a_crash(file: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "my-shop.yaml"
    overlay.write_text("# nothing yet\n")
    assert params.load(file, [overlay]) == params.load(file)
    overlay.write_bytes(b"seed: 1 # \xe9\n")
    with pytest.raises(ParamsError, match=r"my-shop\.yaml: expected UTF-8"):
        params.load(file, [overlay])
    overlay.write_text("1: 2\n")
    with pytest.raises(ParamsError, match="unknown parameter 1"):
        params.load(file, [overlay])
