"""Stage `blend` on fitted models: the hybrid is saved with its weights, loads, and is deterministic."""

import json
from pathlib import Path

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
from components.stages import blend, fit
from tests.components.stages.support import digest, write_split

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


def test_a_missing_part_is_an_error_with_its_name(workspace: Path) -> None:
    (workspace / "models/simple/ease/model.json").unlink()
    with pytest.raises((ContractError, SystemExit), match="ease"):
        blend.main()
