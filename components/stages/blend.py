"""Stage `blend`: the weights of the hybrid, learned on the validation window -> models/hybrid, reports/blend.

With a recipe they are the recipe's. With privacy.epsilon there is no hybrid.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from components.contracts import Recommender
from components.data.tables import read_catalogue, read_interactions
from components.evaluation.out_of_fold import write_out_of_fold
from components.evaluation.protocol import blend_users
from components.origin import check_origin, read_split_origin, stamp
from components.params import Params
from components.recommenders.cold_items import ColdItemSmoother
from components.recommenders.factory import load_model, model_folder, usable
from components.recommenders.hybrid import SLICES, HybridRecommender, blend_parts
from components.stages.run import stage, write_metrics

log = logging.getLogger("blend")


def blend(
    params: Params, split: Path, features: Path, models: Path, reports: Path, windows: Sequence[str] | None = None
) -> dict[str, float]:
    """Blend the models of `fit` and `finetune`, save the hybrid, and write its lists out of fold into `reports`.

    windows: whose events say which items are cold; None: those to learn from.
    Return each part's weight by slice, and metrics of what was learned.
    """
    names, origin = blend_parts(params), read_split_origin(split, features)
    for folder in (model_folder(models, name) for name in names):
        for file in folder.rglob("*.safetensors"):
            check_origin(file, origin, strict=False)
    parts: dict[str, Recommender] = {name: load_model(model_folder(models, name)) for name in names}
    model = HybridRecommender.of_parts(parts, params)
    events, catalogue = read_interactions(split, windows), read_catalogue(split, features)
    smoother = ColdItemSmoother.of(events, catalogue, params.models.hybrid.cold_item_neighbour_pool)
    model.blend(blend_users(split, params), events.n_items, smoother, max(params.evaluation.ks))
    model.save(models / "hybrid")
    stamp(models / "hybrid", origin)
    if model.out_of_fold is not None:
        write_out_of_fold(reports, model.out_of_fold)
    metrics = {f"validation/{name}": value for name, value in model.metrics.items()}
    for row, name in enumerate(SLICES):
        weights = dict(zip(model.parts, map(float, model.weights[row]), strict=True))
        log.info("%s users: %s", name, ", ".join(f"{part} {weight:.2f}" for part, weight in weights.items()))
        metrics |= {f"weight/{name}/{part}": weights.get(part, 0.0) for part in names}
    return metrics


def main() -> None:
    """Blend in the current folder; a recipe without a hybrid gets a note."""
    with stage("blend", "models/hybrid", "reports/blend", check_leaks=True) as params:
        reports, metrics = Path("reports/blend"), {}
        if params.selection is not None and params.selection.blend is None:
            Path("models/hybrid/note.txt").write_text("no hybrid: the recipe has none\n")
        elif not usable(["hybrid"], params):
            Path("models/hybrid/note.txt").write_text("no hybrid: its weights are learned without noise (privacy)\n")
        else:
            metrics = blend(params, Path("data/split"), Path("features"), Path("models"), reports)
        write_metrics(reports, metrics)


if __name__ == "__main__":
    main()
