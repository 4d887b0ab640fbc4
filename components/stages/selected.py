"""What the stages of a retrain selected from data, gathered for the recipe."""

from __future__ import annotations

import json
from pathlib import Path

from components.contracts import Evaluation
from components.data.tables import read_info
from components.params import Params, SearchWeightsParams, SelectionParams
from components.recommenders.hybrid import read_blend
from components.times import to_datetime

FALLBACK = "popularity"  # always fitted


def read_selection(
    root: Path, params: Params, evaluation: Evaluation, search: SearchWeightsParams | None
) -> SelectionParams:
    """Return what the stages below root selected; with a recipe, what it fixed. search: the weights of search."""
    if params.selection is not None:
        return params.selection
    chosen = evaluation.challenger
    blend = read_blend(root / "models/hybrid") if chosen == "hybrid" else None
    trained = "sequence" in (blend.parts if blend else [chosen])
    return SelectionParams(
        recommender=chosen,
        best_simple=evaluation.best_simple or FALLBACK,
        language=json.loads((root / "features/encoder.json").read_bytes())["digest"],
        sequence_epochs=read_epochs(root / "reports/finetune") if trained else None,
        ranker_epochs=read_epochs(root / "reports/rank") if (root / "models/ranker/ranker.json").is_file() else None,
        blend=blend,
        selected_until=to_datetime(read_info(root / "data/split").validation_end),
        search=search,
    )


def read_epochs(reports: Path) -> int:
    """Return the epoch whose weights a stage kept; 1 where a limit in minutes stopped the first: that never ships."""
    return int(json.loads((reports / "metrics.json").read_bytes()).get("epochs/best", 1))
