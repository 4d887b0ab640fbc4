"""Stage `rank`: the ranker, fitted on the validation window and measured on the test window -> models/ranker."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

from components.contracts import FloatArray
from components.data.tables import read_catalogue, read_info, read_interactions
from components.params import Params
from components.profiles.features import read_features
from components.ranking.examples import Examples, lacking, read_examples
from components.ranking.user_text import user_texts
from components.recommenders.popularity import decayed_popularity
from components.settings import Settings
from components.stages.run import stage, write_curve, write_metrics

if TYPE_CHECKING:
    from components.ranking.features import Known

log = logging.getLogger("rank")


def inputs(root: Path, params: Params) -> tuple[Known, Examples, Examples]:
    """Return what is known at the end of the training window, and the examples after it: to learn from, and the test's.

    The profiles end where the examples begin: no label can be in them.
    """
    from components.ranking.features import known

    split = root / "data/split"
    profiles = read_features(root / "profiles", split)
    told = known(read_interactions(split), read_catalogue(split, root / "features"), profiles, params.ranking.recency)
    if params.ranking.configuration == "seed_faithful":
        told = replace(told, user_text=read_user_texts(root, params))
    learned, test = (
        read_examples(root / "data/snapshot", split, window, params.ranking, params.seed, params.data.memory_gib)
        for window in ("validation", "test")
    )
    return told, learned, test


def read_user_texts(root: Path, params: Params) -> FloatArray:
    """Return (n_users + 1, d) what the language model reads of each user's text, as it reads the products'."""
    from components.language.cache import encode_cached
    from components.language.choice import chosen_model
    from components.language.encoder import Encoder

    encoder = Encoder.load(chosen_model(root / "models/language", params.language.model), params.language)
    texts = user_texts(root / "data/snapshot", root / "data/split")
    return encode_cached(encoder, texts, Settings().resolved(Path.cwd()).home / "embeddings")


def rank(root: Path, params: Params) -> str:
    """Fit, measure and save below root; return why there is no ranker, where there is none."""
    reports, split = root / "reports/rank", root / "data/split"
    if read_info(split).protocol == "leave_one_out":
        return "a leave-one-out split does not say what was shown when"
    told, learned, test = inputs(root, params)
    reason = lacking(learned, test, params.ranking)
    if reason:
        return reason
    from components.ranking.measure import measure
    from components.ranking.ranker import Ranker

    ranker = Ranker(params.ranking)
    ranker.board = root / "run/tensorboard/ranker"
    ranker.fit(learned, told, params.seed)
    ranker.save(root / "models/ranker")
    copyfile(root / "profiles/profiles.json", root / "models/ranker/profiles.json")  # how live profiles become columns
    popularity = decayed_popularity(read_interactions(split), params.models.popularity.half_life_days)
    metrics = measure(ranker, learned, test, popularity)
    for task in ranker.tasks:
        log.info("%s: AUC %.3f, by popularity %.3f", task, metrics[f"{task}/auc"], metrics[f"{task}/auc_popularity"])
    for name, values in ranker.curves.items():
        write_curve(reports, name, values)
    write_metrics(reports, metrics)
    return ""


def main() -> None:
    """Rank in the current folder. A shop with too little to learn from is no fault: it gets a note instead."""
    with stage("rank", "models/ranker", "reports/rank", learns=True) as params:
        reason = rank(Path(), params)
        if reason:
            log.warning("no ranker: %s", reason)
            Path("models/ranker/note.txt").write_text(f"no ranker: {reason}\n")
            write_metrics(Path("reports/rank"), {})


if __name__ == "__main__":
    main()
