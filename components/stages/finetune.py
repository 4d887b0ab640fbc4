"""Stage `finetune`: the sequence model, trained by Lightning -> models/sequence. TensorBoard reads run/tensorboard.

With a recipe it trains the recipe's number of epochs, on all events before the holdout; without a sequence model in the
recipe there is a note instead.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from components.data.tables import read_catalogue, read_interactions, read_users
from components.origin import read_split_origin, stamp
from components.params import Params
from components.privacy.accounting import write_mechanisms
from components.recommenders.sequence.processes import is_first_process
from components.stages.noise_secret import noise_secret
from components.stages.run import SUMMARY, stage, write_curve, write_epochs, write_metrics
from components.unfinished import mark_unfinished

if TYPE_CHECKING:
    from components.recommenders.sequence.recommender import SequenceRecommender

WORK = Path("run/finetune")  # checkpoints, from which a killed or stopped run goes on
BOARD = Path("run/tensorboard")
OUTS = ("models/sequence", "reports/finetune")
CURVES = ("train/loss", "validation/ndcg_at_10")


def finetune(params: Params, split: Path, features: Path, work: Path, board: Path | None) -> SequenceRecommender | None:
    """Return the trained model; None where the recipe, or the budget of privacy, has none.

    `work` holds the checkpoints until it is done.
    """
    if params.selection is not None and params.selection.sequence_epochs is None:
        return None
    if params.privacy.epsilon is not None and params.privacy.sequence_share == 0:
        return None
    from components.recommenders.sequence.recommender import SequenceRecommender

    model = SequenceRecommender.from_params(params)
    model.work, model.board = work, board
    if params.privacy.epsilon is not None:
        from components.recommenders.sequence.private_training import PrivateTraining

        kinds = tuple(map(str, params.split.target_events))
        model.private = PrivateTraining(params.privacy, noise_secret(params), kinds)
    return model.fit(read_interactions(split), read_catalogue(split, features), read_users(split, "validation"))


def metrics_of(model: SequenceRecommender) -> dict[str, float]:
    """Return the number of epochs, and where they were validated, the best one and its metric."""
    metrics = {
        "epochs": float(len(model.curves.get("train/loss", []))),  # 0 where not even the first one was finished
        "unfinished": float(model.unfinished is not None),
    }
    if model.mechanism is not None:  # the planned epochs, whatever their loss
        metrics["epochs/best"] = float(model.epochs or model.trainer.max_epochs)
    if model.best_epoch is not None:
        best = max(model.curves["validation/ndcg_at_10"])
        metrics |= {"epochs/best": float(model.best_epoch), "validation/ndcg_at_10": best}
    return metrics


def main() -> None:
    """Train in the current folder, or resume training.

    On several devices Lightning runs this file again for each further device, with its LOCAL_RANK. These processes only
    train; the first process writes the outputs.
    """
    first = is_first_process()
    with stage("finetune", *(OUTS if first else ()), check_leaks=True) as params:
        split, features, models, reports = map(Path, ("data/split", "features", *OUTS))
        model = finetune(params, split, features, WORK, BOARD)
        if not first:
            sys.exit()
        if model is None:
            (models / "note.txt").write_text("no sequence model: the recipe, or the budget of privacy, has none\n")
            write_metrics(reports, {})
            write_epochs(SUMMARY / "sequence.csv", CURVES, {})
            return
        model.save(models)
        stamp(models, read_split_origin(split, features))
        for name, values in model.curves.items():
            write_curve(reports, name, values)
        write_epochs(SUMMARY / "sequence.csv", CURVES, model.curves)
        mark_unfinished(models, model.unfinished)
        write_mechanisms(models, [model.mechanism] if model.mechanism else [])
        write_metrics(reports, metrics_of(model))
    if model.unfinished is None:
        shutil.rmtree(WORK, ignore_errors=True)


if __name__ == "__main__":
    main()
