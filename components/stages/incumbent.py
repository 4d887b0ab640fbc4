"""Stage `incumbent`: the champion's recipe, fitted on this run's training window -> models/incumbent.

`evaluate` ranks it under the name "champion": challenger and incumbent have learned from the same events, so that
recipes are compared. The bundle that serves may be newer, and have learned from the test window.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
from pathlib import Path

from components.data.tables import read_catalogue, read_training, read_users
from components.errors import ContractError
from components.io import write_record
from components.language.choice import chosen_model, take_recipe_model
from components.language.encoder import Encoder
from components.origin import read_split_origin, stamp
from components.params import Params, SelectionParams
from components.recommenders.factory import SIMPLE, create, model_folder
from components.recommenders.sequence.processes import is_first_process
from components.release.bundle import Bundle, open_bundle
from components.settings import Settings
from components.stages.blend import blend
from components.stages.champion_ref import read_champion_ref
from components.stages.finetune import finetune
from components.stages.incumbent_ref import FILE, IncumbentRef
from components.stages.run import stage, write_metrics
from components.stages.selected import read_epochs
from components.stages.vectors import write_vectors
from components.times import to_micros
from components.unfinished import mark_unfinished, read_unfinished

log = logging.getLogger("incumbent")
WORK = Path("run/incumbent")
OUTS = ("models/incumbent", "reports/incumbent")
CUT_BY = ("protocol", "target_events", "weights", "max_history")  # of `split`: how the windows were cut


def incumbent(root: Path, params: Params) -> str:
    """Fill root/models/incumbent; return why no recipe is fitted, else ""."""
    ref = read_champion_ref(root / "champion")
    if ref is None:
        return "nothing serves"
    if params.selection is not None:
        return "this run fits the champion's recipe itself, and compares it with the bundle that serves"
    champion = open_bundle(root / "champion/bundle", ref.digest)
    try:
        own, selection = recipe_params(champion, params)
        if own.privacy.epsilon is not None:
            return (
                "another fit with noise would spend more of the users' privacy; the champion takes part as its bundle"
            )
        language = root / WORK / "language"
        take_recipe_model(language, champion.folder / "encoder", selection.language, own.language)
    except ContractError as error:
        return f"{error}; the champion takes part as the bundle that serves"
    out = root / "models/incumbent"
    encoder = Encoder.load(chosen_model(language, own.language.model), own.language)
    shutil.copytree(fit_recipe(root, own, selection, params, encoder), out, dirs_exist_ok=True)
    for mark in read_unfinished([root / WORK / "models/sequence"]):
        mark_unfinished(out, mark)
    write_record(out / FILE, IncumbentRef(bundle=ref.digest, selected_until=to_micros(selection.selected_until)))
    return ""


def recipe_params(champion: Bundle, params: Params) -> tuple[Params, SelectionParams]:
    """Return the parameters of the champion's recipe, and what it selected.

    Raises ContractError where it has no recipe, or one that this version of Carousel does not accept.
    """
    own = champion.recipe_params(params)
    different = [f"split.{name}" for name in CUT_BY if getattr(own.split, name) != getattr(params.split, name)]
    if different:
        log.warning("the champion's recipe is fitted with this run's %s", ", ".join(different))
    assert own.selection is not None  # `recipe_params` sets it
    return own, own.selection


def fit_recipe(root: Path, own: Params, selection: SelectionParams, params: Params, encoder: Encoder) -> Path:
    """Fit the recipe's models below run/incumbent; return the folder of the one that it ships.

    own: the parameters of the recipe, params: those of this run. A model that this run has fitted alike is copied.
    """
    split, work = root / "data/split", root / WORK
    features = item_features(root, encoder, own)
    shutil.rmtree(work / "models", ignore_errors=True)
    names = selection.blend.parts if selection.blend else [selection.recommender]
    for name in sorted(names, key=SIMPLE.__contains__):  # first the sequence model, where further processes end
        target = model_folder(work / "models", name)
        if features == root / "features" and is_fitted(root, name, own, params):
            log.info("%s: as this run has fitted it", name)
            shutil.copytree(model_folder(root / "models", name), target)
        else:
            fit_part(name, own, root, features, target)
    if selection.blend:
        blend(own, split, features, work / "models", root / "reports/incumbent")
    if not read_unfinished([work / "models/sequence"]):
        shutil.rmtree(work / "sequence", ignore_errors=True)
    return model_folder(work / "models", selection.recommender)


def item_features(root: Path, encoder: Encoder, own: Params) -> Path:
    """Return the folder of the products' vectors by the recipe's encoder: `features`, or a new one."""
    features, out = root / "features", root / WORK / "features"
    if json.loads((features / "encoder.json").read_bytes())["digest"] == encoder.digest:
        return features
    out.mkdir(parents=True, exist_ok=True)
    cache = Settings().resolved(root.absolute()).home / "embeddings"
    folders = root / "data/snapshot", root / "data/split", out
    write_vectors(encoder, own.language.model, *folders, cache, own.models.multimodal.dims)
    return out


def is_fitted(root: Path, name: str, own: Params, params: Params) -> bool:
    """Return whether this run has fitted the model alike: the same parameters, and as many epochs."""
    sections = {"popularity", name} & set(type(own.models).model_fields)
    same = all(getattr(own.models, section) == getattr(params.models, section) for section in sections)
    same &= (own.seed, own.ann, own.models.custom) == (params.seed, params.ann, params.models.custom)
    if name in SIMPLE or own.selection is None:
        return same
    same &= (own.trainer, own.recommend) == (params.trainer, params.recommend)
    same &= not read_unfinished([root / "models/sequence"])
    return same and own.selection.sequence_epochs == read_epochs(root / "reports/finetune")


def fit_part(name: str, own: Params, root: Path, features: Path, out: Path) -> None:
    """Fit one model of the recipe on the training window and save it.

    Where trainer.devices is not 1, further processes run this stage up to here, and end once the training has.
    """
    split = root / "data/split"
    if name == "sequence":
        model = finetune(own, split, features, root / WORK / "sequence", None)
        if not is_first_process():
            sys.exit()
        if model is None:
            raise ContractError("the champion's recipe ships a sequence model, and names no epochs for it")
        model.save(out)
        mark_unfinished(out, model.unfinished)
    else:
        events, users = read_training(split), read_users(split, "validation")
        create(name, own).fit(events, read_catalogue(split, features), users).save(out)
    stamp(out, read_split_origin(split, features))


def main() -> None:
    """Fit in the current folder; where there is nothing to fit, leave a note."""
    with stage("incumbent", *(OUTS if is_first_process() else ()), check_leaks=True) as params:
        reason = incumbent(Path(), params)
        if reason:
            log.info("no incumbent: %s", reason)
            Path("models/incumbent/note.txt").write_text(f"no incumbent: {reason}\n")
        write_metrics(Path("reports/incumbent"), {"fitted": float(not reason)})


if __name__ == "__main__":
    main()
