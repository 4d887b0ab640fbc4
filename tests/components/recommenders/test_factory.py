"""Names and models."""

import json
from pathlib import Path

import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError, ParamsError
from components.params import Params
from components.recommenders.factory import NAMES, SIMPLE, create, load_model, model_folder


@pytest.mark.parametrize("name", SIMPLE)
def test_a_model_carries_the_name_that_it_is_made_by(name: str, params: Params) -> None:
    assert create(name, params).name == name


def test_the_sequence_model_and_the_blend_are_no_simple_ones() -> None:
    assert set(NAMES) - set(SIMPLE) == {"sequence", "hybrid"}


def test_every_model_has_a_folder_of_its_own() -> None:
    folders = [model_folder(Path("models"), name) for name in NAMES]
    assert len(set(folders)) == len(NAMES)
    assert Path("models/simple/ease") in folders
    assert Path("models/hybrid") in folders


def test_load_finds_the_class_by_the_name_in_the_folder(
    params: Params, world: tuple[Interactions, Catalogue, Users], tmp_path: Path
) -> None:
    create("popularity", params).fit(*world).save(tmp_path)
    assert load_model(tmp_path).name == "popularity"


def test_unknown_names_are_refused(params: Params, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="oracle"):
        create("oracle", params)
    (tmp_path / "model.json").write_text(json.dumps({"name": "oracle", "format": 1}))
    with pytest.raises(ContractError, match="oracle"):
        load_model(tmp_path)
