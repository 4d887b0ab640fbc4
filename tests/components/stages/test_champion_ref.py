"""champion.json holds the champion's reference, or null."""

from pathlib import Path

import pytest

from components.contracts import ChampionRef
from components.errors import ContractError
from components.stages.champion_ref import read_champion_ref

REF = ChampionRef(version=3, digest="a" * 64, model="ease")


@pytest.mark.parametrize(("content", "expected"), [(REF.model_dump_json(), REF), ("null\n", None)])
def test_the_reference_or_none_is_read(content: str, expected: ChampionRef | None, tmp_path: Path) -> None:
    (tmp_path / "champion.json").write_text(content)
    assert read_champion_ref(tmp_path) == expected


@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_a_damaged_file_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "champion.json").write_text(content)
    with pytest.raises(ContractError, match=r"champion\.json: expected a ChampionRef"):
        read_champion_ref(tmp_path)


def test_a_missing_file_says_which_stage_writes_it(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="run the stage `resolve` first"):
        read_champion_ref(tmp_path)
