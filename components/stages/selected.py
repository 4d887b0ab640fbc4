"""What the stages of a retrain selected from data, gathered for the recipe."""

from __future__ import annotations

import json
from pathlib import Path

from components.contracts import Evaluation
from components.data.tables import read_info
from components.params import BlendParams, Params, SelectionParams
from components.recommenders.hybrid import HybridRecommender
from components.times import to_datetime


def read_selection(root: Path, params: Params, evaluation: Evaluation) -> SelectionParams:
    """Return what the stages below root selected; with a recipe, what it fixed."""
    if params.selection is not None:
        return params.selection
    chosen = evaluation.challenger
    blend = read_blend(root / "models/hybrid") if chosen == "hybrid" else None
    trained = "sequence" in (blend.parts if blend else [chosen])
    return SelectionParams(
        recommender=chosen,
        best_simple=best_simple(evaluation),
        language=json.loads((root / "features/encoder.json").read_bytes())["digest"],
        sequence_epochs=_epochs(root / "reports/finetune") if trained else None,
        ranker_epochs=_epochs(root / "reports/rank") if (root / "models/ranker/ranker.json").is_file() else None,
        blend=blend,
        selected_until=to_datetime(read_info(root / "data/split").validation_end),
    )


def best_simple(evaluation: Evaluation) -> str:
    """Return the baseline with the highest primary metric on validation."""
    return max(evaluation.baselines, key=lambda name: evaluation.validation[name][evaluation.primary])


def read_blend(folder: Path) -> BlendParams:
    """Return the weights of a saved hybrid."""
    model = HybridRecommender.load(folder)
    cold, warm = (dict(zip(model.parts, map(float, row), strict=True)) for row in model.weights)  # rows of SLICES
    return BlendParams(
        parts=list(model.parts),
        weights={"cold": cold, "warm": warm},
        cold_item_blend_weight=model.smoother.blend_weight if model.smoother else 0.0,
    )


def _epochs(reports: Path) -> int:
    metrics = json.loads((reports / "metrics.json").read_bytes())
    return int(metrics.get("epochs/best", metrics.get("epochs", 1)))
