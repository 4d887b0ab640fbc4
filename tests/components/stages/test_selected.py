"""What a run has selected is read from the outputs of its stages; with a recipe it is the recipe's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.contracts import Evaluation
from components.data.tables import SplitInfo
from components.params import BlendParams, Params, SearchWeightsParams, SelectionParams, load
from components.recommenders.hybrid import BlendSettings, HybridRecommender, read_blend
from components.recommenders.storage import write_model
from components.stages.selected import read_selection
from components.times import DAY_US
from tests.components.stages.support import selected
from tests.support import ROOT

SEARCH = SearchWeightsParams(words=1, similarity=5, popularity=0.4, clicks=1)
WEIGHTS = np.array([[0.25, 0.75], [1, 0]], np.float32)  # rows: cold, warm


@pytest.fixture
def shop() -> Params:
    return load(ROOT / "params.yaml", overrides=['data.as_of="2026-01-01"'])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Write the outputs of a run whose hybrid has two parts, and which has a ranker."""
    contents: dict[str, Any] = {
        "features/encoder.json": {"digest": "e" * 64, "dim": 8},
        "reports/finetune/metrics.json": {"epochs": 9.0, "epochs/best": 6.0},
        "reports/rank/metrics.json": {"epochs/best": 4.0, "click/auc": 0.6},
        "models/ranker/ranker.json": {},
    }
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    info = SplitInfo(
        protocol="global_time", train_end=1, validation_end=DAY_US, test_end=2 * DAY_US, n_users=1, n_items=1,
        max_history=5, simulated=True,
    )  # fmt: skip
    (tmp_path / "data/split").mkdir(parents=True)
    (tmp_path / "data/split/split.json").write_text(info.model_dump_json())
    write_hybrid(tmp_path / "models/hybrid", ["ease", "sequence"])
    return tmp_path


def write_hybrid(folder: Path, parts: list[str]) -> None:
    settings = BlendSettings(parts=parts, cold_user_events=5, exclude_seen=True, cold_item_blend_weight=0.4)
    write_model(folder, "hybrid", HybridRecommender.format, 3, {"blend": settings}, {"weights": WEIGHTS})


def evaluation(challenger: str) -> Evaluation:
    values = {"popularity": 0.1, "neighbours": 0.3, "ease": 0.5, "sequence": 0.4, "hybrid": 0.6}
    return Evaluation(
        as_of="", protocol="global_time", window=("", ""), simulated=True, n_users=1, n_items=1, primary="ndcg_at_10",
        challenger=challenger, baselines=["popularity", "neighbours"], champion=None, champion_saw_test=False,
        validation={name: {"ndcg_at_10": value} for name, value in values.items()}, test={}, slices=[], overfit_gap={},
        best_simple="neighbours",
    )  # fmt: skip


def test_a_blend_is_read_without_its_parts(run: Path) -> None:
    assert read_blend(run / "models/hybrid") == BlendParams(
        parts=["ease", "sequence"],
        weights={"cold": {"ease": 0.25, "sequence": 0.75}, "warm": {"ease": 1, "sequence": 0}},
        cold_item_blend_weight=0.4,
    )


def test_a_hybrid_is_selected_with_its_weights_and_epochs(run: Path, shop: Params) -> None:
    found = read_selection(run, shop, evaluation("hybrid"), None)
    assert found == SelectionParams(
        recommender="hybrid",
        best_simple="neighbours",
        language="e" * 64,
        sequence_epochs=6,
        ranker_epochs=4,
        blend=read_blend(run / "models/hybrid"),
        selected_until="1970-01-02T00:00:00Z",
    )


def test_only_a_model_that_ships_has_epochs_and_weights(run: Path, shop: Params) -> None:
    (run / "models/ranker/ranker.json").unlink()
    ease, sequence = (read_selection(run, shop, evaluation(name), SEARCH) for name in ("ease", "sequence"))
    assert (ease.sequence_epochs, ease.ranker_epochs, ease.blend) == (None, None, None)
    assert (sequence.sequence_epochs, sequence.blend) == (6, None)
    assert sequence.search == SEARCH
    write_hybrid(run / "models/hybrid", ["ease", "content"])
    assert read_selection(run, shop, evaluation("hybrid"), None).sequence_epochs is None


def test_with_a_recipe_nothing_is_read(tmp_path: Path, shop: Params) -> None:
    fixed = SelectionParams.model_validate(selected(sequence_epochs=3))
    applied = shop.model_copy(update={"selection": fixed})
    assert read_selection(tmp_path, applied, evaluation("hybrid"), SEARCH) == fixed
