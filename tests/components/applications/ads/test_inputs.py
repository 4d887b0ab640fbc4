"""Segments and the table of ads: what is read, and what is refused."""

from pathlib import Path

import pytest

from components.applications.ads.inputs import read_segments, read_table
from components.errors import ContractError
from components.params import AdsParams

PARAMS = AdsParams(enabled=True, source=None, reserve=0.0, exploration=0.1)


def test_segments_by_user(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("user_id,segment\nu1,vip\nu1,lapsed\nu1,vip\nu2,\n")
    found = read_segments(PARAMS.model_copy(update={"segments": "s.csv"}), tmp_path)
    assert found == {"u1": ("lapsed", "vip")}
    assert read_segments(PARAMS, tmp_path) == {}


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"ads\.source is null"):
        read_table(tmp_path, PARAMS, tmp_path)
    (tmp_path / "s.csv").write_text("user_id\nu1\n")
    with pytest.raises(ContractError, match="no column segment"):
        read_segments(PARAMS.model_copy(update={"segments": "s.csv"}), tmp_path)
