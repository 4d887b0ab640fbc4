"""params.yaml, overlays and overrides make one checked tree; each value is written once."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from components import params
from components.errors import ParamsError
from components.params.listing import fields

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted([*ROOT.glob("examples/*/params.yaml"), ROOT / "infra/ci/params.yaml"])


def leaves(value: object) -> int:
    return sum(map(leaves, value.values())) if isinstance(value, dict) and value else 1


def test_the_shipped_file_is_valid(file: Path) -> None:
    loaded = params.load(file)
    assert loaded.evaluation.primary == "ndcg_at_10"
    assert set(loaded.data.sources) == {"products", "events", "reviews", "searches"}


@pytest.mark.parametrize("overlay", EXAMPLES, ids=lambda p: p.parent.name)
def test_examples_are_valid_overlays(file: Path, overlay: Path) -> None:
    assert params.load(file, [overlay]) != params.load(file)


def test_overlay_then_override_replace_single_values(file: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "shop.yaml"
    overlay.write_text("trainer: {max_epochs: 3, patience: 2}\n")
    loaded = params.load(file, [overlay], ["trainer.max_epochs=5"])
    assert (loaded.trainer.max_epochs, loaded.trainer.patience) == (5, 2)
    assert loaded.trainer.batch_size == params.load(file).trainer.batch_size


def test_an_overlay_changes_only_the_named_default(file: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "shop.yaml"
    overlay.write_text("ann: {connectivity: 8}\nlanguage: {compress: {variants: [int8]}}\n")
    loaded, before = params.load(file, [overlay]), params.load(file)
    assert loaded.ann == before.ann.model_copy(update={"connectivity": 8})
    assert loaded.language.compress == before.language.compress.model_copy(update={"variants": ["int8"]})


def test_an_overlay_replaces_weights_and_the_search_space_whole(file: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "shop.yaml"
    overlay.write_text(
        "split: {weights: {purchase: 1.0}, target_events: [purchase]}\n"
        "tune: {models: [ease], space: {models.ease.l2: {low: 1, high: 9}}}\n"
    )
    loaded = params.load(file, [overlay])
    assert loaded.split.weights == {"purchase": 1.0}
    assert list(loaded.tune.space) == ["models.ease.l2"]


def test_the_merged_tree_holds_every_value_and_loads_as_it_is(file: Path, tmp_path: Path) -> None:
    """run/params.yaml is such a tree: DVC compares its values, and no default is added later."""
    loaded = params.load(file)
    merged = params.merge(file, [], [])
    assert {path for path, _ in fields(params.Params)} <= set(params.paths(merged))
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(yaml.safe_dump(loaded.model_dump(mode="json")))
    assert params.load(resolved) == loaded == params.check(merged, "merged")


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("trainer.epochs=3", "unknown parameter trainer.epochs; did you mean max_epochs?"),
        ("ann.connections=3", "unknown parameter ann.connections; did you mean connectivity?"),
        ("serving.exposures.zzz=3", "expected one of ['flush_s', 'max_queue_rows', 'rows_per_file']"),
        ("data.sources={products: [{pth: p.csv}], events: [{path: e.csv}]}", "did you mean path?"),
        ("trainer=3", "trainer is a section"),
        ("trainer.max_epochs", "expected `a.b=c`"),
        ("seed=: {", "not YAML"),
        ("data.as_of=2026-13-01", "month must be in 1..12"),
    ],
)
def test_a_wrong_override_is_refused(refusal: Callable[[str], str], override: str, named: str) -> None:
    assert named in refusal(override)


def test_an_unknown_name_in_the_file_is_refused_with_a_near_one(file: Path, tmp_path: Path) -> None:
    tree = yaml.safe_load(file.read_text())
    tree["language"]["compress"] = {"variant": ["int8"]}
    wrong = tmp_path / "params.yaml"
    wrong.write_text(yaml.safe_dump(tree))
    with pytest.raises(ParamsError, match=r"language\.compress\.variant: unknown parameter; did you mean variants\?"):
        params.load(wrong)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="run in the checkout"):
        params.load(tmp_path / "params.yaml")


def test_each_value_is_either_in_the_file_or_a_default_with_a_description(file: Path) -> None:
    """Each value, and each description, is written in one place."""
    given = set(params.paths(yaml.safe_load(file.read_text())))
    for path, field in fields(params.Params):
        assert field.is_required() == (path in given), path
        assert (field.description is None) == field.is_required(), path
    for name, field in [*params.SourceParams.model_fields.items(), *params.SearchRange.model_fields.items()]:
        assert field.description, name


def test_the_file_holds_few_values_each_with_a_comment(file: Path) -> None:
    text = file.read_text()
    assert leaves(yaml.safe_load(text)) <= 120
    lines = [line for line in text.splitlines() if re.match(r"\s*\w+: *[^\s#]", line)]
    assert len(lines) == leaves(yaml.safe_load(text))
    assert [line for line in lines if not re.search(r"  # \S", line)] == []


def test_removing_any_value_from_the_file_fails(file: Path) -> None:
    tree = yaml.safe_load(file.read_text())
    for section, values in tree.items():
        for name in values if isinstance(values, dict) else []:
            less = {**tree, section: {k: v for k, v in values.items() if k != name}}
            with pytest.raises(ParamsError, match=rf"{section}\.{name}"):
                params.check(less, "params.yaml")
