"""Stage `complete`: the parts of a recipe that are fitted in one step learn the holdout; the others stay."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from components.contracts import WINDOWS, Catalogue, Interactions, Users
from components.data.tables import read_catalogue, read_info, read_interactions, read_users
from components.params import load
from components.recommenders.factory import create, load_model
from components.recommenders.hybrid import HybridRecommender
from components.stages import blend, complete, fit
from components.stages.completion_ref import read_completion
from components.times import to_iso
from tests.components.stages.support import digest, select, write_split
from tests.support import ROOT

World = tuple[Interactions, Catalogue, Users]
BLEND = {
    "parts": ["popularity", "als"],
    "weights": {"cold": {"popularity": 1.0, "als": 0.0}, "warm": {"popularity": 0.25, "als": 0.75}},
    "cold_item_blend_weight": 0.5,
}
OVERRIDES = ["models.als.factors=4", "recommend.exclude_seen=false", "gate.min_coverage=0"]
COMPLETED = Path("models/completed")


@pytest.fixture
def workspace(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout in which a recipe, ALS, is to be refreshed: training ends where the test window begins."""
    write_split(tmp_path, world)
    info = read_info(tmp_path / "data/split").model_copy(update={"fit_windows": ("train", "validation")})
    (tmp_path / "data/split/split.json").write_text(info.model_dump_json())
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    write_params()
    return tmp_path


def write_params(*overrides: str, **changes: object) -> None:
    params = load(ROOT / "params.yaml", overrides=[*OVERRIDES, *overrides])
    Path("run/params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    select(**changes)


def run() -> None:
    fit.main()
    blend.main()
    complete.main()


def fitted_on(name: str, windows: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the arrays of the model, fitted on the events of these windows."""
    split, params = Path("data/split"), load(Path("run/params.yaml"))
    users = read_users(split, "validation")
    model = create(name, params).fit(read_interactions(split, windows), read_catalogue(split, Path("features")), users)
    model.save(Path("expected") / name)
    return load_file(Path("expected") / name / "arrays.safetensors")


def assert_equal(folder: Path, expected: dict[str, np.ndarray]) -> None:
    found = load_file(folder / "arrays.safetensors")
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_the_completed_model_is_the_recipe_fitted_on_all_events(workspace: Path) -> None:
    run()
    assert_equal(COMPLETED / "simple/als", fitted_on("als", WINDOWS))
    assert_equal(COMPLETED / "simple/popularity", fitted_on("popularity", WINDOWS))
    assert_equal(Path("models/simple/als"), fitted_on("als", WINDOWS[:2]))
    info, found = read_info(Path("data/split")), read_completion(Path("reports/complete"))
    assert found is not None
    assert (found.judged_until, found.learned_until) == (to_iso(info.validation_end), to_iso(info.test_end))
    assert (found.models, found.ships, found.shipped_until) == (["als"], True, found.learned_until)
    names = [check.name for check in found.checks]
    assert names == [
        "lists of the completed model", "agreement with the judged model", "concentration", "score scale", "coverage",
        "coverage against the judged model", "exposure of a pushed product",
    ]  # fmt: skip


def test_a_blend_keeps_its_weights_and_what_is_trained_in_steps(workspace: Path) -> None:
    write_params(recommender="hybrid", blend=BLEND)
    run()
    judged, completed = load_model(Path("models/hybrid")), load_model(COMPLETED / "hybrid")
    assert isinstance(judged, HybridRecommender)
    assert isinstance(completed, HybridRecommender)
    assert completed.weights.tolist() == judged.weights.tolist() == [[1, 0], [0.25, 0.75]]
    assert_equal(COMPLETED / "hybrid/parts/als", fitted_on("als", WINDOWS))


def test_a_second_run_gives_the_same_bytes(workspace: Path) -> None:
    run()
    first = digest(COMPLETED) | digest(Path("reports/complete"))
    complete.main()
    assert digest(COMPLETED) | digest(Path("reports/complete")) == first


@pytest.mark.parametrize(
    ("overrides", "changes", "reason"),
    [
        (["refresh.learn_holdout=false"], {}, "refresh.learn_holdout is false"),
        ([], {"recommender": "sequence"}, "sequence is trained in steps"),
    ],
)
def test_where_nothing_is_completed_a_note_says_why(
    workspace: Path, overrides: list[str], changes: dict[str, object], reason: str
) -> None:
    write_params(*overrides, **changes)
    complete.main()
    for folder in (COMPLETED, Path("reports/complete")):
        assert [path.name for path in folder.iterdir()] == ["note.txt"]
        assert reason in (folder / "note.txt").read_text()
    assert read_completion(Path("reports/complete")) is None


def test_a_retrain_completes_nothing(workspace: Path) -> None:
    tree = yaml.safe_load(Path("run/params.yaml").read_text())
    Path("run/params.yaml").write_text(yaml.safe_dump(tree | {"selection": None}))
    complete.main()
    assert "a retrain judges recipes" in (COMPLETED / "note.txt").read_text()


def test_a_completed_model_that_differs_too_much_does_not_ship(workspace: Path) -> None:
    write_params("refresh.min_overlap=1", "refresh.max_concentration_ratio=1")
    fit.main()
    path = Path("models/simple/als/arrays.safetensors")
    before = path.read_bytes()
    complete.main()
    found = json.loads(Path("reports/complete/completion.json").read_bytes())
    failed = [check["name"] for check in found["checks"] if not check["passed"]]
    assert "agreement with the judged model" in failed
    completion = read_completion(Path("reports/complete"))
    assert completion is not None
    assert (completion.ships, completion.shipped_until) == (False, completion.judged_until)
    assert completion.describe().startswith("what was judged ships, without the events since")
    assert path.read_bytes() == before


def test_with_epsilon_nothing_is_completed_and_no_budget_is_spent_again(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAROUSEL_NOISE_KEY", "k" * 32)
    write_params("privacy.epsilon=4", recommender="ease", best_simple="ease")
    run()
    assert read_completion(Path("reports/complete")) is None
    assert "spend the budget again" in (COMPLETED / "note.txt").read_text()
    assert not (COMPLETED / "simple").exists()
