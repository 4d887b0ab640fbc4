"""Whose recipe `incumbent` has fitted: read back, absent, damaged, or of another champion."""

from pathlib import Path

import pytest

from components.contracts import ChampionRef
from components.errors import ContractError
from components.io import write_record
from components.stages.incumbent_ref import FILE, IncumbentRef, read_incumbent_ref

CHAMPION = ChampionRef(version=3, digest="a" * 64, model="ease")


def test_the_record_of_this_champion_is_returned(tmp_path: Path) -> None:
    ref = IncumbentRef(bundle=CHAMPION.digest, selected_until=5)
    write_record(tmp_path / FILE, ref)
    assert read_incumbent_ref(tmp_path, CHAMPION) == ref


def test_without_a_fitted_recipe_there_is_none(tmp_path: Path) -> None:
    assert read_incumbent_ref(tmp_path, CHAMPION) is None


def test_a_record_of_another_champion_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    write_record(tmp_path / FILE, IncumbentRef(bundle="b" * 64, selected_until=5))
    with pytest.raises(ContractError, match=r"is about bundle bbbbbbbbbbbb, champion\.json names aaaaaaaaaaaa"):
        read_incumbent_ref(tmp_path, CHAMPION)
    (tmp_path / FILE).write_text('{"bundle": ')
    with pytest.raises(ContractError, match="run the stage `incumbent`"):
        read_incumbent_ref(tmp_path, CHAMPION)
