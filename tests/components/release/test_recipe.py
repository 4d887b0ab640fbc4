"""Recipes: equal content gives equal digests, `apply` gives the parameters of a refresh, differences as text."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from components import params
from components.errors import ContractError
from components.io import sha256_file
from components.params import BlendParams, Params, SelectionParams
from components.release.bundle import open_bundle
from components.release.manifest import write_manifest
from components.release.recipe import FILE, Recipe, code_digest, describe_difference, have_same
from components.release.registry import Registry
from components.release.status import _describe_recipe
from tests.components.release.support import Register
from tests.support import ROOT

END = datetime(2026, 2, 15, tzinfo=UTC)


def shop(*lines: str) -> Params:
    return params.load(ROOT / "params.yaml", [], list(lines))


def selection(**changes: object) -> SelectionParams:
    values = {
        "recommender": "hybrid",
        "best_simple": "interests",
        "language": "ab" * 32,
        "sequence_epochs": 7,
        "ranker_epochs": 4,
        "blend": BlendParams(
            parts=["als", "sequence"],
            weights={"cold": {"als": 0.25, "sequence": 0.75}, "warm": {"als": 0.5, "sequence": 0.5}},
            cold_item_blend_weight=0.5,
        ),
        "selected_until": datetime(2026, 2, 1, tzinfo=UTC),
    }
    return SelectionParams.model_validate(values | changes)


def test_the_digest_does_not_depend_on_data_gate_or_service() -> None:
    one = Recipe.of(shop(), selection(), "c")
    other = Recipe.of(shop("gate.min_gain=0.01", "serving.port=1", 'data.as_of="2026-02-01"'), selection(), "c")
    assert one.digest == other.digest


@pytest.mark.parametrize("line", ["seed=1", "trainer.max_epochs=3", "models.als.factors=8", "split.validation_days=7"])
def test_each_parameter_of_a_model_changes_the_digest(line: str) -> None:
    assert Recipe.of(shop(line), selection(), "c").digest != Recipe.of(shop(), selection(), "c").digest


def test_selection_and_code_change_the_digest() -> None:
    digests = {
        Recipe.of(shop(), selection(), "c").digest,
        Recipe.of(shop(), selection(sequence_epochs=6), "c").digest,
        Recipe.of(shop(), selection(), "d").digest,
    }
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"selected_until": END}, True),  # selected again, with the same result
        ({"best_simple": "als"}, True),
        ({"sequence_epochs": 6}, False),
        ({"language": "cd" * 32}, False),
        ({"recommender": "als", "blend": None}, False),
    ],
)
def test_recipes_that_give_the_same_model(changes: dict[str, object], same: bool) -> None:
    one, other = Recipe.of(shop(), selection(), "c"), Recipe.of(shop(), selection(**changes), "another code")
    assert one.gives_same_model(other) == other.gives_same_model(one) == same
    assert not one.gives_same_model(Recipe.of(shop("models.als.factors=8"), selection(), "c"))


def test_versions_with_the_same_recipe(registry: Registry, register: Register, bundle: Path) -> None:
    """Read from the registry, where the bundles are; a version of before 0.4 has none."""
    old = register()
    versions = []
    changed: list[tuple[str, dict[str, object]]] = [
        ("a", {}),
        ("b", {"selected_until": END}),
        ("c", {"sequence_epochs": 6}),
    ]
    for mark, changes in changed:
        (bundle / FILE).write_text(Recipe.of(shop(), selection(**changes), "c").to_text())
        (bundle / "manifest.json").unlink()
        write_manifest(bundle)
        versions.append(register(mark))
    one, selected_again, other = versions
    assert have_same(registry, one, one)
    assert have_same(registry, one, selected_again)
    assert not have_same(registry, one, other)
    assert not have_same(registry, old, one)
    assert not have_same(registry, old, old)
    later = Recipe.of(shop(), selection(), "c").model_dump(mode="json") | {"format": 2}
    (bundle / FILE).write_text(json.dumps(later))
    (bundle / "manifest.json").unlink()
    write_manifest(bundle)
    unreadable = register("d")
    assert not have_same(registry, one, unreadable)  # of a later version of Carousel
    described = _describe_recipe(registry, registry.version(unreadable))
    assert described["digest"] == sha256_file(bundle / FILE)
    assert "use the version of Carousel" in described["error"]
    opened = open_bundle(bundle)
    assert opened.best_simple == "popularity"
    with pytest.raises(ContractError, match="use the version of Carousel"):
        opened.recipe_params(shop())


def test_apply_takes_model_values_from_the_recipe_and_all_others_from_the_shop() -> None:
    recipe = Recipe.of(shop("trainer.max_epochs=3", "seed=7", "evaluation.cold_user_events=9"), selection(), "c")
    applied = recipe.apply(shop("trainer.max_epochs=5", "refresh.min_users=50"), END)
    assert (applied.trainer.max_epochs, applied.seed, applied.evaluation.cold_user_events) == (3, 7, 9)
    assert (applied.refresh.min_users, applied.refresh.not_before) == (50, END)
    assert applied.selection == selection()
    assert (applied.evaluation.candidates, applied.evaluation.baselines) == (["hybrid"], ["interests"])


@pytest.mark.parametrize(("recommender", "beside"), [("interests", "popularity"), ("popularity", "interests")])
def test_a_recommender_is_not_its_own_baseline(recommender: str, beside: str) -> None:
    recipe = Recipe.of(shop(), selection(recommender=recommender), "c")
    assert recipe.apply(shop(), END).evaluation.baselines == [beside]


def test_the_budget_of_privacy_is_in_the_recipe_only_where_it_is_set() -> None:
    plain, private = (Recipe.of(shop(*lines), selection(), "c") for lines in ([], ["privacy.epsilon=4"]))
    assert "privacy" not in plain.params
    assert private.params["privacy"]["epsilon"] == 4
    assert "mask" not in private.params["privacy"]
    refreshed = private.apply(shop("privacy.unlearn_days=3"), END)
    assert (refreshed.privacy.epsilon, refreshed.privacy.unlearn_days) == (4, 3)


@pytest.mark.parametrize(("epsilon", "how"), [("null", "without noise"), ("8", "with privacy.epsilon 8")])
def test_a_recipe_selected_with_too_little_noise_is_refused(epsilon: str, how: str) -> None:
    with pytest.raises(ValueError, match=f"selected {how}, and privacy.epsilon is 4: run `carousel retrain`"):
        Recipe.of(shop(f"privacy.epsilon={epsilon}"), selection(), "c").apply(shop("privacy.epsilon=4"), END)


def test_with_noise_the_baseline_is_a_model_that_can_learn_with_it() -> None:
    lines = ["privacy.epsilon=4", "evaluation.candidates=[popularity]", "evaluation.baselines=[interests]"]
    recipe = Recipe.of(shop(*lines), selection(recommender="popularity", best_simple="popularity"), "c")
    assert recipe.apply(shop(), END).evaluation.baselines == ["interests"]


def test_a_refreshed_model_has_the_same_recipe() -> None:
    recipe = Recipe.of(shop("trainer.max_epochs=3"), selection(), "c")
    applied = recipe.apply(shop(), END)
    assert applied.selection is not None
    assert Recipe.of(applied, applied.selection, "c") == recipe


def test_a_value_that_this_version_does_not_accept_is_refused() -> None:
    recipe = Recipe.of(shop(), selection(), "c")
    broken = recipe.model_copy(update={"params": {**recipe.params, "trainer": {"max_epochs": 0}}})
    with pytest.raises(ValidationError, match="max_epochs"):
        broken.apply(shop(), END)


def test_differences_are_lines_of_text() -> None:
    one = Recipe.of(shop(), selection(), "c")
    other = Recipe.of(shop("trainer.max_epochs=3"), selection(sequence_epochs=2), "c")
    text = describe_difference(one, other, ("version 1", "version 2"))
    assert text.splitlines() == [
        "--- version 1",
        "+++ version 2",
        "-params.trainer.max_epochs: 10",
        "+params.trainer.max_epochs: 3",
        "-selection.sequence_epochs: 7",
        "+selection.sequence_epochs: 2",
    ]
    assert describe_difference(one, one, ("a", "b")) == ""


def test_the_code_digest_is_that_of_the_checkout(tmp_path: Path) -> None:
    assert code_digest(tmp_path) == code_digest(ROOT)  # no code below tmp_path: the installed one
    (tmp_path / "components/data").mkdir(parents=True)
    (tmp_path / "components/data/a.py").write_text("x = 1\n")
    before = code_digest(tmp_path)
    (tmp_path / "components/serving").mkdir()
    (tmp_path / "components/serving/b.py").write_text("y = 1\n")
    assert code_digest(tmp_path) == before != code_digest(ROOT)
    (tmp_path / "components/data/a.py").write_text("x = 2\n")
    assert code_digest(tmp_path) != before


@pytest.mark.parametrize("change", [{"rerank": {"window": 3}}, {"trainer": {"optimizer": "lion"}}, {"seed": "x"}])
def test_parameters_of_a_later_version_are_refused(change: dict[str, object]) -> None:
    recipe = Recipe.of(shop(), selection(), "c")
    with pytest.raises(ValidationError, match=next(iter(change))):
        recipe.model_copy(update={"params": recipe.params | change}).apply(shop(), END)
