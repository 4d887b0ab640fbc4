"""The table of models: names, classes and folders."""

import json
from pathlib import Path

import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError, ParamsError
from components.params import Params
from components.recommenders.factory import (
    MODELS,
    PARTS,
    SIMPLE,
    baseline_names,
    candidate_names,
    check_names,
    compared_names,
    create,
    load_model,
    model_class,
    model_folder,
)


@pytest.mark.parametrize("name", MODELS)
def test_each_line_of_the_table_names_a_class_with_that_name(name: str, params: Params) -> None:
    assert model_class(name).name == name
    assert create(name, params).name == name


def test_the_sequence_model_and_the_blend_are_not_among_the_simple_models() -> None:
    assert set(MODELS) - set(SIMPLE) == {"sequence", "hybrid"}
    assert set(MODELS) - set(PARTS) == {"hybrid"}


def test_the_order_of_simplicity() -> None:
    """A blend contains others, the transformer is trained in epochs, and popularity ranks for everybody alike."""
    order = list(MODELS)
    assert order[0] == "popularity"
    assert order[-2:] == ["sequence", "hybrid"]
    assert set(order[:-2]) == set(SIMPLE)


def test_all_simple_models_are_baselines_unless_some_are_named(params: Params) -> None:
    def with_evaluation(**changes: list[str]) -> Params:
        return params.model_copy(update={"evaluation": params.evaluation.model_copy(update=changes)})

    simple = [
        name for name in SIMPLE if name not in ("buy_again", "multimodal")
    ]  # seen items are excluded; no pictures
    assert baseline_names(with_evaluation(baselines=[])) == simple
    assert compared_names(with_evaluation(candidates=["hybrid"], baselines=[])) == [*simple, "hybrid"]
    some = with_evaluation(candidates=["hybrid", "ease"], baselines=["ease", "popularity"])
    assert baseline_names(some) == ["ease", "popularity"]
    assert compared_names(some) == ["popularity", "ease", "hybrid"]


def test_buy_again_takes_part_only_where_seen_items_may_be_listed(params: Params) -> None:
    repeats = params.model_copy(update={"recommend": params.recommend.model_copy(update={"exclude_seen": False})})
    for chosen, part in ((params, False), (repeats, True)):
        assert ("buy_again" in baseline_names(chosen)) == part
        assert ("buy_again" in compared_names(chosen)) == part
        assert ("buy_again" in candidate_names(chosen)) == part
    alone = {"evaluation": params.evaluation.model_copy(update={"candidates": ["buy_again"]})}
    check_names(repeats.model_copy(update=alone))
    with pytest.raises(ParamsError, match=r"rank only what users have seen.*exclude_seen to false"):
        check_names(params.model_copy(update=alone))


def test_every_model_has_its_own_folder() -> None:
    folders = [model_folder(Path("models"), name) for name in MODELS]
    assert len(set(folders)) == len(MODELS)
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


@pytest.mark.parametrize(
    ("section", "knob", "names"),
    [
        ("evaluation", "candidates", ["oracle"]),
        ("evaluation", "baselines", ["ease", "oracle"]),
        ("tune", "models", ["hybrid"]),
    ],
)
def test_parameters_that_name_an_unknown_model_are_refused(
    params: Params, section: str, knob: str, names: list[str]
) -> None:
    check_names(params)
    changed = getattr(params, section).model_copy(update={knob: names})
    with pytest.raises(ParamsError, match=rf"{section}.{knob}: unknown model.*{names[-1]}"):
        check_names(params.model_copy(update={section: changed}))
