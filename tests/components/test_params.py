"""params.yaml is typed, bounded and written once; overlays and overrides replace single values."""

from pathlib import Path

import pytest
import yaml

from components import params
from components.errors import ParamsError

ROOT = Path(__file__).parents[2]
FILE = ROOT / "params.yaml"
SPACE = (
    "tune.space={{models.als.alpha: {{low: 1, high: 2}}, models.sequence.dropout: {{low: 0, high: 0.5}}, "
    "models.ease.recency: {{low: 0.1, high: 0.9}}, {0}}}"
)


def test_the_shipped_file_is_valid() -> None:
    loaded = params.load(FILE)
    assert loaded.evaluation.primary == "ndcg_at_10"
    assert set(loaded.data.sources) == {"products", "events", "reviews", "searches"}


@pytest.mark.parametrize("overlay", sorted(ROOT.glob("examples/*/params.yaml")), ids=lambda p: p.parent.name)
def test_examples_are_valid_overlays(overlay: Path) -> None:
    assert params.load(FILE, [overlay]) != params.load(FILE)


def test_overlay_then_override_replace_single_values(tmp_path: Path) -> None:
    overlay = tmp_path / "shop.yaml"
    overlay.write_text("trainer: {max_epochs: 3, patience: 2}\n")
    loaded = params.load(FILE, [overlay], ["trainer.max_epochs=5"])
    assert (loaded.trainer.max_epochs, loaded.trainer.patience) == (5, 2)
    assert loaded.trainer.batch_size == params.load(FILE).trainer.batch_size


def test_an_overlay_replaces_weights_whole(tmp_path: Path) -> None:
    overlay = tmp_path / "shop.yaml"
    overlay.write_text("split: {weights: {purchase: 1.0}, target_events: [purchase]}\n")
    assert params.load(FILE, [overlay]).split.weights == {"purchase": 1.0}


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("trainer.max_epochs=0", "trainer.max_epochs"),
        ("trainer.max_epochs=many", "trainer.max_epochs"),
        ("trainer.epochs=3", "unknown knob trainer.epochs"),
        ("trainer=3", "trainer is a section"),
        ("trainer.max_epochs", "expected `a.b=c`"),
        ("gate.confidence=1.5", "gate.confidence"),
        ("evaluation.primary=ndcg_at_7", "needs its k among"),
        ("evaluation.baselines=[ease]", "both candidate and baseline"),
        ("models.sequence.heads=3", "not a multiple of heads"),
        ("split.target_events=[click, return]", "no weight for target events"),
        ("profiles.windows_days=[30, 7]", "must rise"),
        ("profiles.horizon_days=60", "stay within horizon_days 60"),
        ("profiles.half_life_days=0", "profiles.half_life_days"),
        ("data.as_of=2026-03-01", "data.as_of"),
        ("data.sources={events: [{path: x.csv}]}", "data.sources.products is empty"),
        ("data.sources={products: [{path: p.csv}], events: [{attach: shop.db}]}", "needs `type` and `query`"),
        ("data.sources={products: [{path: p.csv, columns: {sku: x}}], events: [{path: e.csv}]}", "unknown columns"),
        ("release.name=../up", "release.name"),
        ("seed=: {", "not YAML"),
        ("tune.trials=0", "tune.trials"),
        ("tune.models=[hybrid]", "tune.models"),
        ("tune.models=[ease, ease]", "each once"),
        ("tune.label_shares=[0, 1]", "tune.label_shares"),
        ("tune.space={models.als.alpha: {low: 1, high: 2}}", "needs knobs for ['ease', 'sequence']"),
        (SPACE.format("models.ease.l2: {low: 0, high: 9, log: true}"), "above 0 with log"),
        (SPACE.format("models.ease.l2: {low: 9, high: 9}"), "must be below high"),
        (SPACE.format("models.ease.l2: {low: 0, high: 9}"), "models.ease.l2 cannot be 0"),
        (SPACE.format("models.ease.recency: {low: 0.5, high: 1.5}"), "models.ease.recency cannot be 1.5"),
        (
            SPACE.format("models.ease.max_weights_per_item: {low: 10, high: 99.5}"),
            "models.ease.max_weights_per_item cannot be 99.5",
        ),
        (SPACE.format("models.ease.lambda: {low: 1, high: 2}"), "models.ease.lambda is no knob"),
        (SPACE.format("gate.min_gain: {low: 0, high: 1}"), "gate.min_gain is no knob"),
        (SPACE.format("models.hybrid.min_gain: {low: 0, high: 1}"), "models.hybrid.min_gain is no knob"),
        (SPACE.format("models.ease.l2: [1, 2]"), "tune.space.models.ease.l2"),
    ],
)
def test_a_wrong_value_is_refused_by_name(override: str, named: str) -> None:
    with pytest.raises(ParamsError) as refused:
        params.load(FILE, overrides=[override])
    assert named in str(refused.value)


@pytest.mark.parametrize(("old", "new"), params.RENAMED.items())
def test_an_old_name_is_refused_with_the_file_and_the_new_name(old: str, new: str, tmp_path: Path) -> None:
    tree: object = 1
    for part in reversed(old.split(".")):
        tree = {part: tree}
    overlay = tmp_path / "shop.yaml"
    overlay.write_text(yaml.safe_dump(tree))
    for source, refused in (
        (str(overlay), lambda: params.load(FILE, [overlay])),
        (f"override '{old}=1'", lambda: params.load(FILE, overrides=[f"{old}=1"])),
        (str(overlay), lambda: params.load(overlay)),
    ):
        with pytest.raises(ParamsError) as error:
            refused()
        assert str(error.value) == f"{source}: {old} is now called {new}"


def test_each_new_name_is_a_knob_and_no_old_one_is() -> None:
    loaded = params.load(FILE)
    for old, new in params.RENAMED.items():
        section, leaf = params.section_of(loaded, new)
        assert leaf in type(section).model_fields, new
        section, leaf = params.section_of(loaded, old)
        assert leaf not in type(section).model_fields, old


def test_an_old_name_in_the_search_space_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"models\.ease\.keep is now called models\.ease\.max_weights_per_item"):
        params.load(FILE, overrides=[SPACE.format("models.ease.keep: {low: 10, high: 99}")])


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="run in the checkout"):
        params.load(tmp_path / "params.yaml")


def test_every_knob_is_needed_and_commented() -> None:
    """Taking any one knob away must fail: no default hides in the code."""
    tree = yaml.safe_load(FILE.read_text())
    for section, knobs in tree.items():
        for knob in knobs if isinstance(knobs, dict) else []:
            less = {**tree, section: {k: v for k, v in knobs.items() if k != knob}}
            with pytest.raises(ParamsError, match=rf"{section}\.{knob}"):
                params.check(less, "params.yaml")
