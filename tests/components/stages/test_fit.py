"""Stage `fit` on a small split: every simple model is saved, loads, and is deterministic."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from components.contracts import Catalogue, Interactions, Users
from components.data.tables import read_info, read_interactions, read_users
from components.params import load
from components.privacy.accounting import read_mechanisms
from components.recommenders.factory import MODELS, SIMPLE, load_model
from components.stages import fit
from tests.components.stages.support import digest, select, write_split

World = tuple[Interactions, Catalogue, Users]


@pytest.fixture
def workspace(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_split(tmp_path, world)
    params = load(Path(__file__).parents[3] / "params.yaml", overrides=["models.als.factors=4"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run/params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_each_simple_model_is_fitted_saved_and_timed(workspace: Path, exclude_seen: bool) -> None:
    resolved = yaml.safe_load((workspace / "run/params.yaml").read_text())
    resolved["recommend"]["exclude_seen"] = exclude_seen
    (workspace / "run/params.yaml").write_text(yaml.safe_dump(resolved))
    fit.main()
    users = read_users(workspace / "data/split", "validation")
    names = [n for n in SIMPLE if not (MODELS[n].repeats_only and exclude_seen) and not MODELS[n].needs_vectors]
    assert sorted(path.name for path in (workspace / "models/simple").iterdir() if path.is_dir()) == sorted(names)
    for name in names:
        ranked = load_model(workspace / "models/simple" / name).recommend(users, 5)
        assert (ranked.items > 0).all()
    metrics = json.loads((workspace / "reports/fit/metrics.json").read_text())
    assert {f"fit/{name}/seconds" for name in names} <= set(metrics)
    assert metrics["fit/events"] == 240


def test_a_second_run_gives_the_same_bytes_and_leaves_nothing_old(workspace: Path) -> None:
    fit.main()
    first = digest(workspace / "models/simple")
    (workspace / "models/simple/relic").mkdir()
    fit.main()
    assert digest(workspace / "models/simple") == first
    assert not (workspace / "models/simple/relic").exists()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, ["popularity", "als"]),  # popularity: the fallback
        ({"recommender": "sequence", "best_simple": "interests"}, ["popularity", "interests"]),
        (
            {
                "recommender": "hybrid",
                "best_simple": "popularity",
                "blend": {
                    "parts": ["ease", "sequence"],
                    "weights": {"cold": {"ease": 1, "sequence": 0}, "warm": {"ease": 0.5, "sequence": 0.5}},
                    "cold_item_blend_weight": 0.5,
                },
            },
            ["popularity", "ease"],
        ),
    ],
)
def test_with_a_recipe_only_what_it_needs_is_fitted_to_the_same_bytes(
    workspace: Path, changes: dict[str, object], names: list[str]
) -> None:
    fit.main()
    every = digest(workspace / "models/simple")
    select(**changes)
    fit.main()
    found = digest(workspace / "models/simple")
    assert sorted({Path(path).parts[0] for path in found}) == sorted(names)
    assert found.items() <= every.items()


def test_with_a_recipe_the_models_learn_from_the_validation_window_too(workspace: Path) -> None:
    select()
    fit.main()
    before = json.loads(Path("reports/fit/metrics.json").read_text())["fit/events"]
    info = read_info(Path("data/split"))
    windows = info.model_copy(update={"fit_windows": ("train", "validation")})
    Path("data/split/split.json").write_text(windows.model_dump_json())
    fit.main()
    later = len(read_interactions(Path("data/split"), ("validation",)))
    assert later > 0
    assert json.loads(Path("reports/fit/metrics.json").read_text())["fit/events"] == before + later


def test_embeddings_of_another_split_end_the_stage_with_a_message(workspace: Path) -> None:
    save_file({"embedding": np.zeros((3, 4), np.float16)}, workspace / "features/items.safetensors")
    with pytest.raises(SystemExit, match="run the stage `encode` again"):
        fit.main()
    assert not (workspace / "reports/fit/metrics.json").exists()


def set_epsilon(workspace: Path, epsilon: float | None) -> None:
    resolved = yaml.safe_load((workspace / "run/params.yaml").read_text())
    resolved["privacy"] |= {"epsilon": epsilon}
    (workspace / "run/params.yaml").write_text(yaml.safe_dump(resolved))


def test_with_epsilon_models_learn_from_sums_with_noise_and_others_are_not_fitted(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAROUSEL_NOISE_KEY", "k" * 32)
    fit.main()
    before = digest(workspace / "models/simple/popularity")
    assert not (workspace / "models/simple/privacy.json").exists()
    set_epsilon(workspace, 4.0)
    fit.main()
    fitted = {path.name for path in (workspace / "models/simple").iterdir() if path.is_dir()}
    assert fitted == {"popularity", "interests", "tfidf", "content", "transitions", "ease"}
    (mechanism,) = read_mechanisms(workspace / "models/simple")
    assert (mechanism.name, mechanism.sample_rate, mechanism.steps) == ("sums", 1.0, 3)
    assert digest(workspace / "models/simple/popularity") != before
    first = digest(workspace / "models/simple")
    fit.main()
    assert digest(workspace / "models/simple") == first
    monkeypatch.setenv("CAROUSEL_NOISE_KEY", "l" * 32)
    fit.main()
    assert digest(workspace / "models/simple") != first
    set_epsilon(workspace, None)
    fit.main()
    assert digest(workspace / "models/simple/popularity") == before


def test_the_secret_is_made_once_in_the_folder_of_the_shop_and_is_private(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CAROUSEL_NOISE_KEY", raising=False)
    monkeypatch.setenv("CAROUSEL_HOME", str(workspace / "home"))
    set_epsilon(workspace, 4.0)
    fit.main()
    (key,) = (workspace / "home/shops").glob("*/noise.key")
    content = key.read_bytes()
    assert key.stat().st_mode & 0o077 == 0
    first = digest(workspace / "models/simple")
    fit.main()
    assert (key.read_bytes(), digest(workspace / "models/simple")) == (content, first)
    assert not any(content.strip() in file.read_bytes() for file in (workspace / "models").rglob("*") if file.is_file())
