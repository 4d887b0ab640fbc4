"""Stage `package`: the challenger, its fallback, the catalogue and the encoder -> bundle/, under one manifest."""

import json
import logging
from collections import Counter
from pathlib import Path

from components.contracts import WINDOWS, Catalogue, Evaluation
from components.data.tables import count_events, read_catalogue, read_info
from components.errors import ContractError
from components.evaluation.results import read_values
from components.io import read_record
from components.origin import read_split_origin, stamp
from components.params import Params
from components.privacy.accounting import Spending, read_mechanisms
from components.recommenders.ann_index import AnnIndex
from components.recommenders.factory import model_folder
from components.release.bundle import BundleInfo, BundleSources, EncoderInfo, build_bundle
from components.release.card import CardNumbers, bundle_card, compared, gains_over
from components.release.recipe import Recipe, read_code_digest
from components.stages.completion_ref import read_completion
from components.stages.run import stage
from components.stages.search_index import build_search
from components.stages.selected import FALLBACK, read_selection
from components.unfinished import read_unfinished_models

log = logging.getLogger("package")


def package(root: Path, params: Params) -> str:
    """Fill root/bundle; return its digest."""
    evaluation = read_record(
        root / "reports/evaluate/evaluation.json", Evaluation, "evaluation", "run the stage `evaluate`"
    )
    index, catalogue = root / "run/search", read_catalogue(root / "data/split", root / "features")
    origin = read_split_origin(root / "data/split", root / "features")
    completion = read_completion(root / "reports/complete")
    added = {"catalogue": origin.catalogue, "completion": completion}
    info = bundle_info(root, evaluation.challenger, params).model_copy(update=added)
    ann, ann_index = root / "run/ann" if info.ann else None, None
    if ann and catalogue.embedding is not None:
        log.info("indexing %d products", info.n_items)
        ann_index = AnnIndex.build(catalogue.embedding, params.ann)
        ann_index.save(ann)
        stamp(ann, origin)
    encoder = _encoder_folder(root, params) if params.release.include_encoder else None
    searched, about_search = build_search(root, params, catalogue, encoder, ann_index)
    searched.save(index)
    stamp(index, origin)
    models = root / ("models/completed" if info.is_completed else "models")
    sources = BundleSources(
        model=fitted(models, evaluation.challenger),
        fallback=fitted(models, FALLBACK),
        judged=fitted(root / "models", evaluation.challenger) if info.is_completed else None,
        split=root / "data/split",
        features=root / "features",
        drift_reference=root / "reports/drift/reference.parquet",
        encoder=encoder,
        ranker=_ranker_folder(root),
        search=index,
        ann=ann,
    )
    spending = read_spending(root, params)
    selection = read_selection(root, params, evaluation, searched.weights)
    made_by = Recipe.of(params, selection, read_code_digest(root))
    card = _make_card(root, evaluation, info, made_by, catalogue, about_search, params.seed, spending)
    digest = build_bundle(root / "bundle", sources, info, made_by, card, spending)
    log.info("%s in bundle %s", evaluation.challenger, digest[:12])
    return digest


def bundle_info(root: Path, model: str, params: Params) -> BundleInfo:
    """Return info.json of the bundle."""
    split = read_info(root / "data/split")
    encoder = json.loads((root / "features/encoder.json").read_bytes())
    return BundleInfo(
        model=model,
        as_of=params.data.as_of.isoformat(),
        train_end=split.fit_end,
        validation_end=split.validation_end,
        n_items=split.n_items,
        max_history=split.max_history,
        exclude_seen=params.recommend.exclude_seen,
        weights={str(event): weight for event, weight in params.split.weights.items()},
        simulated=split.simulated,
        encoder=EncoderInfo.model_validate({key: encoder[key] for key in EncoderInfo.model_fields}),
        profiles=params.profiles,
        ann=params.ann if split.n_items >= params.ann.min_items else None,
        unfinished=tuple(map(str, read_unfinished_models(root))),
    )


def _make_card(
    root: Path,
    evaluation: Evaluation,
    info: BundleInfo,
    made_by: Recipe,
    catalogue: Catalogue,
    about_search: str,
    seed: int,
    spending: Spending | None,
) -> str:
    """Return the model card: what was measured of the challenger, whichever version is champion."""
    values = read_values(root / "reports/evaluate/per_user.parquet", evaluation.primary, evaluation.primary_slice)
    windows = {w: root / "data/split" / f"{w}.parquet" for w in WINDOWS}
    found = CardNumbers(
        evaluation=evaluation,
        info=info,
        recipe=made_by.digest,
        code=made_by.code,
        gains=gains_over(values, evaluation.challenger, compared(evaluation), seed),
        languages=Counter(catalogue.language[1:]),
        textless=sum(not text for text in catalogue.text[1:]),
        search=about_search,
        spending=spending,
        counts={w: count_events(file) for w, file in windows.items() if file.is_file()},
    )
    return bundle_card(found).to_text()


def fitted(models: Path, name: str) -> Path:
    """Return the folder of a model; raises ContractError when it is not there."""
    folder = model_folder(models, name)
    if not (folder / "model.json").is_file():
        raise ContractError(f"models of {name!r}: no model.json in {folder.name}; run fit, finetune and blend")
    return folder


def read_spending(root: Path, params: Params) -> Spending | None:
    """Return what all parts have spent, those that do not ship too: all were compared; None without noise."""
    if params.privacy.epsilon is None:
        return None
    folders = (root / "models/simple", root / "models/sequence", root / "models/ranker")
    found = Spending.of((m for folder in folders for m in read_mechanisms(folder)), params.privacy.delta)
    if found.epsilon > params.privacy.epsilon:
        raise ContractError(f"privacy: {found.describe()} spent, and privacy.epsilon is {params.privacy.epsilon:g}")
    log.info("privacy: %s", found.describe())
    return found


def _ranker_folder(root: Path) -> Path | None:
    """Return the ranker's folder; None where there is none, or seed_faithful, which needs texts of users."""
    about = root / "models/ranker/ranker.json"
    if not about.is_file() or json.loads(about.read_bytes())["params"]["configuration"] == "seed_faithful":
        return None
    return about.parent


def _encoder_folder(root: Path, params: Params) -> Path:
    from components.language.choice import chosen_model

    return chosen_model(root / "models/language", params.language.model)


def main() -> None:
    """Package in the current folder."""
    with stage("package", "bundle") as params:
        package(Path(), params)


if __name__ == "__main__":
    main()
