"""Stage `finetune`: the sequence model, trained by Lightning -> models/sequence. TensorBoard reads run/tensorboard."""

import os
import shutil
import sys
from pathlib import Path

from components.data.tables import read_catalogue, read_interactions, read_users
from components.origin import read_split_origin, stamp
from components.stages.run import stage, write_curve, write_metrics
from components.unfinished import mark_unfinished

WORK = Path("run/finetune")  # checkpoints, from which a killed or stopped run goes on
OUTS = ("models/sequence", "reports/finetune")


def main() -> None:
    """Train in the current folder, or resume training.

    On several devices Lightning runs this file again for each further device, with its LOCAL_RANK. These processes only
    train; the first process writes the outputs.
    """
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    with stage("finetune", *(OUTS if first else ()), check_leaks=True) as params:
        from components.recommenders.sequence.recommender import SequenceRecommender

        split, reports = Path("data/split"), Path("reports/finetune")
        model = SequenceRecommender.from_params(params)
        model.work, model.board = WORK, Path("run/tensorboard")
        model.fit(read_interactions(split), read_catalogue(split, Path("features")), read_users(split, "validation"))
        if not first:
            sys.exit()
        model.save(Path("models/sequence"))
        stamp(Path("models/sequence"), read_split_origin(split, Path("features")))
        for name, values in model.curves.items():
            write_curve(reports, name, values)
        mark_unfinished(Path("models/sequence"), model.unfinished)
        epochs = model.curves.get("validation/ndcg_at_10", [])  # none where not even the first one was finished
        best = {"validation/ndcg_at_10": max(epochs)} if epochs else {}
        write_metrics(
            reports, {"epochs": float(len(epochs)), "unfinished": float(model.unfinished is not None), **best}
        )
    if model.unfinished is None:
        shutil.rmtree(WORK, ignore_errors=True)


if __name__ == "__main__":
    main()
