"""Stage `fit` on a small split: every simple model is saved, loads, and is deterministic."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from components.contracts import Catalogue, Interactions, Users
from components.data.tables import read_users
from components.params import load
from components.recommenders.factory import SIMPLE, load_model
from components.stages import fit
from tests.components.stages.support import digest, write_split

World = tuple[Interactions, Catalogue, Users]


@pytest.fixture
def workspace(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_split(tmp_path, world)
    params = load(Path(__file__).parents[3] / "params.yaml", overrides=["models.als.factors=4"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run/params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_simple_model_is_fitted_saved_and_timed(workspace: Path) -> None:
    fit.main()
    users = read_users(workspace / "data/split", "validation")
    for name in SIMPLE:
        ranked = load_model(workspace / "models/simple" / name).recommend(users, 5)
        assert (ranked.items > 0).all()
    metrics = json.loads((workspace / "reports/fit/metrics.json").read_text())
    assert {f"fit/{name}/seconds" for name in SIMPLE} <= set(metrics)
    assert metrics["fit/events"] == 240


def test_a_second_run_gives_the_same_bytes_and_leaves_nothing_old(workspace: Path) -> None:
    fit.main()
    first = digest(workspace / "models/simple")
    (workspace / "models/simple/relic").mkdir()
    fit.main()
    assert digest(workspace / "models/simple") == first
    assert not (workspace / "models/simple/relic").exists()


def test_embeddings_of_another_split_end_the_stage_with_a_message(workspace: Path) -> None:
    save_file({"embedding": np.zeros((3, 4), np.float16)}, workspace / "features/items.safetensors")
    with pytest.raises(SystemExit, match="run the stage `encode` again"):
        fit.main()
    assert not (workspace / "reports/fit/metrics.json").exists()
