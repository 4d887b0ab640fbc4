"""champion.json in the checkout names the champion, or is null."""

import json
from pathlib import Path
from typing import cast

import pytest

from components.contracts import ChampionRef
from components.errors import ContractError
from components.release import champion
from components.release.registry import Registry

REF = ChampionRef(version=3, digest="ab" * 32, model="ease")


def write(root: Path, content: str) -> None:
    (root / "champion").mkdir(parents=True, exist_ok=True)
    (root / "champion/champion.json").write_text(content)


def test_no_champion_is_none(tmp_path: Path) -> None:
    assert champion.checked_out_champion(tmp_path) is None
    write(tmp_path, "null\n")
    assert champion.checked_out_champion(tmp_path) is None


def test_the_champion_is_read_from_champion_json(tmp_path: Path) -> None:
    write(tmp_path, json.dumps(REF.model_dump()))
    assert champion.checked_out_champion(tmp_path) == REF


def test_the_digest_of_a_bundle_is_that_of_its_manifest(tmp_path: Path) -> None:
    assert champion.bundle_digest(tmp_path) is None
    (tmp_path / "manifest.json").write_bytes(b"{}")
    assert champion.bundle_digest(tmp_path) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


class Empty:
    """A registry without a champion."""

    def serving(self) -> None:
        """Return that nothing serves."""


@pytest.mark.parametrize("cut", ["", "{", '{"version": 3, "dig', "nul", "[]"])
def test_a_damaged_champion_json_is_an_error_and_the_next_sync_writes_it_anew(tmp_path: Path, cut: str) -> None:
    write(tmp_path, cut)
    with pytest.raises(ContractError, match=r"champion\.json"):
        champion.checked_out_champion(tmp_path)
    assert champion.sync_champion(tmp_path, cast("Registry", Empty())) is None
    assert (tmp_path / "champion/champion.json").read_text() == "null\n"
