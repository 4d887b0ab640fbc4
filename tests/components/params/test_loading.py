"""params.yaml, overlays and overrides make one checked tree; each value is written once."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from components import params
from components.applications.record import APPLICATIONS
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
    content = yaml.safe_load(text)
    applications = {name: content[name] for name in APPLICATIONS}
    assert leaves({name: value for name, value in content.items() if name not in applications}) <= 120
    assert all(leaves(section) <= 12 for section in applications.values())
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


def test_without_a_moment_the_simulated_shop_is_seen_at_its_end_and_a_real_one_now(file: Path) -> None:
    now = datetime(2027, 5, 6, 7, tzinfo=UTC)
    assert params.load(file, now=now).data.as_of == datetime(2026, 3, 1, tzinfo=UTC)
    short = params.load(file, overrides=["shop.start=2025-01-01", "shop.days=31"], now=now)
    assert short.data.as_of == datetime(2025, 2, 1, tzinfo=UTC)
    assert params.load(file, overrides=["data.simulated=false"], now=now).data.as_of == now
    before = datetime.now(UTC).replace(microsecond=0)
    assert before <= params.load(file, overrides=["data.simulated=false"]).data.as_of <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-15", datetime(2026, 1, 15, tzinfo=UTC)),
        ("'2026-01-15'", datetime(2026, 1, 15, tzinfo=UTC)),
        ("2026-01-15 08:30:00", datetime(2026, 1, 15, 8, 30, tzinfo=UTC)),
        ("'2026-01-15T08:30'", datetime(2026, 1, 15, 8, 30, tzinfo=UTC)),
        ("2026-01-15T08:30:00+02:00", datetime(2026, 1, 15, 6, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_date_or_a_time_and_utc_without_a_zone(
    file: Path, tmp_path: Path, written: str, read: datetime
) -> None:
    overlay = tmp_path / "shop.yaml"
    overlay.write_text(f"data:\n  as_of: {written}\n")
    assert params.load(file, [overlay]).data.as_of == read
    assert params.names_as_of(file, [overlay], ["data.simulated=false"])
    assert not params.names_as_of(file, [], ["data.simulated=false"])


def test_a_wrong_value_is_reported_with_the_layer_that_sets_it(file: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "my-shop.yaml"
    overlay.write_text("trainer: {max_epochs: 0}\nsplit: {target_events: [click, return]}\n")
    with pytest.raises(ParamsError) as caught:
        params.load(file, [overlay], ["seed=-1", "trainer.patience=1"])
    lines = str(caught.value).splitlines()
    assert lines[:3] == [
        "--set seed=-1: 1 wrong value(s)",
        "  seed: Input should be greater than or equal to 0 (got -1)",
        f"{overlay}: 2 wrong value(s)",
    ]
    assert lines[3].startswith("  split: Value error, split.weights has no weight")
    assert lines[4] == "  trainer.max_epochs: Input should be greater than or equal to 1 (got 0)"


@pytest.mark.parametrize("line", ["=3", "a..b=3", ".seed=3", "seed.=3", "  =3"])
def test_an_override_without_a_whole_name_is_refused(refusal: Callable[[str], str], line: str) -> None:
    assert refusal(line) == f"--set {line!r}: expected `a.b=c`, such as trainer.max_epochs=5"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("tune.space={models.ease.l2: {low: 1, height: 2}}", "did you mean high?"),
        ("on=1", "unknown parameter on"),
        ("true=1", "unknown parameter true"),
    ],
)
def test_an_unknown_name_gets_a_list_that_is_not_empty(
    refusal: Callable[[str], str], override: str, expected: str
) -> None:
    assert expected in refusal(override)
    assert "[]" not in refusal(override)
