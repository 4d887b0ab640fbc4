"""Stage `complete`: what a refresh ships learns its holdout, too -> models/completed, reports/complete.

See components/release/completion.py. The gate judges the models of `fit`, `finetune` and `blend`, which have not seen
the holdout; these are fitted beside them, so that all that follows the verdict is a choice between two models.
"""

import logging
import shutil
from pathlib import Path

from components.contracts import WINDOWS
from components.io import write_record
from components.origin import read_split_origin, stamp
from components.params import Params
from components.recommenders.factory import load_model, model_folder
from components.release.completion import completed_models, judge_completion
from components.stages.blend import blend
from components.stages.completion_ref import FILE
from components.stages.fit import fit
from components.stages.run import stage
from components.stages.selected import FALLBACK

log = logging.getLogger("complete")
OUTS = ("models/completed", "reports/complete")


def complete(root: Path, params: Params) -> str:
    """Fit and check the completed model; return why there is none, or ""."""
    chosen = params.selection
    if chosen is None:
        return "a retrain judges recipes; the refresh after it learns the newest events"
    if params.privacy.epsilon is not None:
        return "privacy.epsilon is set, and a second model of the same users would spend the budget again"
    if not params.refresh.learn_holdout:
        return "refresh.learn_holdout is false"
    names = completed_models(chosen)
    if not names:
        return f"{chosen.recommender} is trained in steps"
    split, features, models, out = (root / name for name in ("data/split", "features", "models", OUTS[0]))
    fit(params, split, features, out / "simple", sorted({*names, FALLBACK}), WINDOWS)
    stamp(out / "simple", read_split_origin(split, features))
    if chosen.blend:
        for name in set(chosen.blend.parts) - set(names):
            shutil.copytree(model_folder(models, name), model_folder(out, name))
        blend(params, split, features, out, root / OUTS[1], WINDOWS)
    judged, completed = (load_model(model_folder(folder, chosen.recommender)) for folder in (models, out))
    found = judge_completion(split, judged, completed, names, params)
    log.info("%s", found.describe())
    write_record(root / OUTS[1] / FILE, found)
    return ""


def main() -> None:
    """Complete in the current folder; where nothing is completed, leave a note."""
    with stage("complete", *OUTS, check_leaks=True) as params:
        reason = complete(Path(), params)
        if reason:
            for out in OUTS:
                (Path(out) / "note.txt").write_text(f"nothing is completed: {reason}\n")


if __name__ == "__main__":
    main()
