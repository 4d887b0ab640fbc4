"""Stage `rank`: the ranker, fitted on the validation window and measured on the test window -> models/ranker.

With a recipe it trains the recipe's number of epochs, without early stopping.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

from components.contracts import FloatArray
from components.data.tables import read_catalogue, read_info, read_interactions
from components.errors import ContractError
from components.io import write_record
from components.origin import read_split_origin, stamp
from components.params import Params
from components.privacy.accounting import write_mechanisms
from components.privacy.noise import NoiseSource
from components.profiles.features import NO_COLUMNS, ProfileInfo, read_features, read_profile_info
from components.ranking.examples import Examples, missing_data_reason, read_examples
from components.ranking.user_text import user_texts
from components.recommenders.popularity import decayed_popularity
from components.settings import Settings
from components.stages.noise_secret import noise_secret
from components.stages.run import SUMMARY, stage, write_curve, write_epochs, write_metrics

if TYPE_CHECKING:
    from components.ranking.features import RankerInputs
    from components.ranking.ranker import Ranker

log = logging.getLogger("rank")
BOARD = Path("run/tensorboard/ranker")
CURVES = ("train/loss", "validation/loss")


def inputs(root: Path, params: Params) -> tuple[RankerInputs, Examples, Examples]:
    """Return the features at the end of the training window, and the examples of the validation and test windows.

    The profiles end where the examples begin, so they contain no label.
    """
    from components.ranking.features import ranker_inputs

    split = root / "data/split"
    profiles = read_features(root / "profiles", split)
    features = ranker_inputs(
        read_interactions(split, ("train",)), read_catalogue(split, root / "features"), profiles, params.ranking.recency
    )
    if params.ranking.configuration == "seed_faithful":
        features = replace(features, user_text=read_user_texts(root, params))
    private = params.privacy.epsilon is not None
    seed = NoiseSource(noise_secret(params), b"examples").seed("negatives") if private else params.seed
    train, test = (
        read_examples(
            root / "data/snapshot", split, window, params.ranking, seed, params.data.memory_gib, private=private
        )
        for window in ("validation", "test")
    )
    return features, train, test


def read_user_texts(root: Path, params: Params) -> FloatArray:
    """Return (n_users + 1, dim) embeddings of the users' texts, by the encoder of the products' texts."""
    from components.language.cache import encode_cached
    from components.language.choice import chosen_model
    from components.language.encoder import Encoder

    encoder = Encoder.load(chosen_model(root / "models/language", params.language.model), params.language)
    texts = user_texts(root / "data/snapshot", root / "data/split")
    return encode_cached(encoder, texts, Settings().resolved(Path.cwd()).home / "embeddings")


def rank(root: Path, params: Params) -> str:
    """Fit, measure and save below root; return the reason where no ranker can be fitted, else "".

    Raises ContractError where the recipe has a ranker, and the data are too few for one.
    """
    selection = params.selection
    if selection is not None and selection.ranker_epochs is None:
        return "the recipe has none"
    private = params.privacy.epsilon is not None
    if private and (params.privacy.ranker_share == 0 or params.ranking.configuration == "seed_faithful"):
        return "privacy.ranker_share is 0, or ranking.configuration has none that learns with noise"
    reports, split = root / "reports/rank", root / "data/split"
    if read_info(split).protocol == "leave_one_out":
        return "a leave-one-out split has no impressions in time order"
    features, train, test = inputs(root, params)
    reason = missing_data_reason(train, train if selection is not None else test, params.ranking)
    if reason and selection is not None:
        raise ContractError(
            f"the recipe has a ranker, but {reason}; raise split.validation_days, or run `carousel retrain`"
        )
    if reason:
        return reason
    from components.ranking.private_training import PrivateRanking
    from components.ranking.ranker import Ranker

    ranker = Ranker(params.ranking)
    ranker.epochs = selection.ranker_epochs if selection is not None else None
    ranker.board = root / BOARD
    if private:
        ranker.private = PrivateRanking(params.privacy, noise_secret(params))
    ranker.fit(train, features, params.seed)
    ranker.save(root / "models/ranker")
    stamp(root / "models/ranker", read_split_origin(split, root / "features"))
    scaling = root / "models/ranker/profiles.json"  # to scale live profiles, of which a ranker with privacy reads none
    if private:
        cut = read_profile_info(root / "profiles").cut
        write_record(scaling, ProfileInfo(cut=cut, users=NO_COLUMNS, items=NO_COLUMNS))
    else:
        copyfile(root / "profiles/profiles.json", scaling)
    write_mechanisms(root / "models/ranker", ranker.mechanisms)
    for name, values in ranker.curves.items():
        write_curve(reports, name, values)
    write_epochs(root / SUMMARY / "ranker.csv", CURVES, ranker.curves)
    write_metrics(reports, {"epochs/best": float(ranker.best_epoch)} | _measure(root, params, ranker, train, test))
    return ""


def _measure(root: Path, params: Params, ranker: Ranker, train: Examples, test: Examples) -> dict[str, float]:
    """Return the metrics on the test window; none where a holdout of few days has too few positive examples."""
    from components.ranking.measure import measure

    reason = missing_data_reason(train, test, params.ranking)
    if reason:
        log.info("the ranker is not measured: %s", reason)
        return {}
    past = read_interactions(root / "data/split", ("train",))
    popularity = decayed_popularity(past, params.models.popularity.half_life_days)
    metrics = measure(ranker, train, test, popularity)
    for task in ranker.tasks:
        log.info("%s: AUC %.3f, by popularity %.3f", task, metrics[f"{task}/auc"], metrics[f"{task}/auc_popularity"])
    return metrics


def main() -> None:
    """Rank in the current folder. A shop with too few examples gets a note instead of a ranker, not an error."""
    with stage("rank", "models/ranker", "reports/rank", check_leaks=True) as params:
        reason = rank(Path(), params)
        if reason:
            log.warning("no ranker: %s", reason)
            Path("models/ranker/note.txt").write_text(f"no ranker: {reason}\n")
            write_metrics(Path("reports/rank"), {})
            write_epochs(SUMMARY / "ranker.csv", CURVES, {})


if __name__ == "__main__":
    main()
