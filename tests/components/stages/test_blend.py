"""Stage `blend` on fitted models: the hybrid is saved with its weights, loads, and is deterministic."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from components.contracts import Catalogue, Interactions, Users
from components.data.tables import read_users
from components.errors import ContractError
from components.evaluation.metrics import per_user
from components.evaluation.out_of_fold import read_out_of_fold
from components.evaluation.protocol import window_users
from components.params import load
from components.recommenders.factory import load_model
from components.recommenders.hybrid import HybridRecommender
from components.stages import blend, fit
from components.stages.selected import read_blend
from tests.components.stages.support import digest, select, write_split

World = tuple[Interactions, Catalogue, Users]


@pytest.fixture
def workspace(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_split(tmp_path, world)
    overrides = ["models.als.factors=4", "models.hybrid.parts=[popularity,ease,content]"]
    params = load(Path(__file__).parents[3] / "params.yaml", overrides=overrides)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    monkeypatch.chdir(tmp_path)
    fit.main()
    return tmp_path


def test_the_blend_is_saved_with_its_weights(workspace: Path) -> None:
    blend.main()
    users = read_users(workspace / "data/split", "validation")
    assert (load_model(workspace / "models/hybrid").recommend(users, 5).items > 0).all()
    metrics = json.loads((workspace / "reports/blend/metrics.json").read_text())
    for name in ("cold", "warm"):
        weights = [metrics[f"weight/{name}/{part}"] for part in ("popularity", "ease", "content")]
        assert sum(weights) == pytest.approx(1)
    assert 0 < metrics["validation/in_fold/ndcg_at_10"] <= 1
    users = window_users(workspace / "data/split", "validation", exclude_seen=True)
    found = read_out_of_fold(workspace / "reports/blend", len(users), 20)
    assert found.user_row.tolist() == list(range(len(users)))
    values = per_user(found.lists, users.ground_truth, [10])["ndcg_at_10"]
    assert metrics["validation/out_of_fold/ndcg_at_10"] == pytest.approx(values.mean(), rel=1e-6)


def test_a_second_run_gives_the_same_bytes(workspace: Path) -> None:
    blend.main()
    before = digest(workspace / "models/hybrid") | digest(workspace / "reports/blend")
    blend.main()
    assert digest(workspace / "models/hybrid") | digest(workspace / "reports/blend") == before


def test_with_a_recipe_the_weights_are_its_own_and_the_bytes_the_same(workspace: Path) -> None:
    """The targets of the validation users are not read: without any, the stage gives the same model."""
    blend.main()
    learned = digest(workspace / "models/hybrid")
    found = read_blend(workspace / "models/hybrid")
    assert set(found.parts) <= {"popularity", "ease", "content"}
    assert [sum(row.values()) for row in found.weights.values()] == pytest.approx([1, 1])
    select(recommender="hybrid", blend=found.model_dump(mode="json"))
    path = workspace / "data/split/validation.parquet"
    rows = pq.read_table(path)
    untargeted = rows.set_column(rows.column_names.index("target"), "target", [[False] * len(rows)])
    pq.write_table(untargeted, path, write_page_checksum=True)
    for name in {"popularity", "ease", "content"} - set(found.parts):
        shutil.rmtree(workspace / "models/simple" / name)  # `fit` makes none of a part that the recipe has not
    blend.main()
    assert digest(workspace / "models/hybrid") == learned
    metrics = json.loads((workspace / "reports/blend/metrics.json").read_text())
    assert {name.split("/")[0] for name in metrics} == {"weight"}
    assert metrics[f"weight/warm/{found.parts[0]}"] == found.weights["warm"][found.parts[0]]


def test_other_weights_give_another_model(workspace: Path) -> None:
    weights = {"cold": {"ease": 1.0, "popularity": 0.0}, "warm": {"ease": 0.25, "popularity": 0.75}}
    fixed = {"parts": ["popularity", "ease"], "weights": weights, "cold_item_blend_weight": 0.0}
    select(recommender="hybrid", blend=fixed)
    blend.main()
    model = load_model(workspace / "models/hybrid")
    assert isinstance(model, HybridRecommender)
    assert list(model.parts) == ["popularity", "ease"]
    assert model.weights.tolist() == [[0, 1], [0.75, 0.25]]
    assert read_blend(workspace / "models/hybrid").model_dump(mode="json") == fixed


def test_a_recipe_without_a_hybrid_gets_a_note(workspace: Path) -> None:
    select()
    blend.main()
    assert [p.name for p in (workspace / "models/hybrid").iterdir()] == ["note.txt"]
    assert json.loads((workspace / "reports/blend/metrics.json").read_text()) == {}


def test_a_missing_part_is_an_error_with_its_name(workspace: Path) -> None:
    (workspace / "models/simple/ease/model.json").unlink()
    with pytest.raises((ContractError, SystemExit), match="ease"):
        blend.main()
