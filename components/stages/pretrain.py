"""Stage `pretrain`: the shop's texts -> models/language: the adapted model where it helps, else a note."""

import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from components.contracts import BoolArray, Catalogue, FloatArray, Interactions, Users
from components.data.tables import read_catalogue, read_interactions
from components.evaluation.metrics import per_user
from components.evaluation.protocol import window_users
from components.language.cache import encode_cached
from components.language.choice import ModelChoice, chosen_model, write_choice
from components.language.encoder import Encoder, resolve_model
from components.params import CompressParams, Params
from components.recommenders.content import ContentRecommender
from components.settings import Settings
from components.stages.run import stage, write_curve, write_metrics

log = logging.getLogger("pretrain")
WORK = Path("run/pretrain")  # a killed pretraining is taken up from here
K = 10
METRIC = f"ndcg_at_{K}"  # of nearest texts on validation: what decides
TIMED = 40  # texts that are read one by one to time an encoder


def adapt(root: Path, params: Params) -> tuple[ModelChoice, dict[str, float]]:
    """Pretrain, compare on validation, fill root/models/language and write curves; return the choice and metrics."""
    from components.language.corpus import read_corpus
    from components.language.pretrain import pretrain

    original, knobs = resolve_model(params.language.model), params.language.pretrain
    adapted, reports = root / WORK / "adapted", root / "reports/pretrain"
    corpus = read_corpus(
        root / "data/snapshot", root / "data/split", params.split.target_events, knobs.held_out_share, params.seed
    )
    result = pretrain(original, corpus, params.language, params.seed, adapted, root / WORK)
    asked = Asked.read(root, params)
    before, after = (retrieval(asked, root, params, folder) for folder in (original, adapted))
    choice = judge(params.language.model, before[METRIC], after[METRIC])
    if choice.accepted:
        Encoder.load(adapted, params.language).save(root / "models/language")
    write_choice(root / "models/language", choice)
    metrics = {f"retrieval/{name}/before": value for name, value in before.items()}
    metrics |= {f"retrieval/{name}/after": value for name, value in after.items()}
    metrics |= {name: value for name, value in result.metrics.items() if not np.isnan(value)}
    for name, values in result.curves.items():
        write_curve(reports, name, values)
    return choice, metrics | {"accepted": float(choice.accepted)}


def compress(root: Path, params: Params, choice: ModelChoice) -> tuple[ModelChoice, dict[str, float]]:
    """Let smaller encoders compete with the chosen one; the winner is put in its place, and the reason says why.

    Return the choice that is left, and metrics.
    """
    from components.language.compress import distil, median_encode_ms, write_int8

    knobs, language, work = params.language.compress, params.language, root / WORK
    models = root / "models/language"
    folders = {"full": chosen_model(models, choice.original)}
    asked = Asked.read(root, params)
    texts = asked.items.text
    if any(name.startswith("distilled") for name in knobs.variants):
        folders["distilled"] = work / "distilled"
        whole_vectors = vectors(folders["full"], texts, params, root)
        curve = distil(folders["full"], texts, whole_vectors, knobs, language, params.seed, folders["distilled"])
        write_curve(root / "reports/pretrain", "train/distilled", curve)
    for variant in knobs.variants:
        if variant.endswith("int8"):
            whole = folders["distilled" if variant.startswith("distilled") else "full"]
            folders[variant] = write_int8(whole, language, work / variant)
    few = [text for text in texts if text][:: max(1, len(texts) // TIMED)][:TIMED]
    found = {}
    for name in ("full", *knobs.variants):
        ms = median_encode_ms(Encoder.load(folders[name], language), few)
        found[name] = retrieval(asked, root, params, folders[name])[METRIC], ms
    winner, reason = pick(found, knobs)
    log.info(reason)
    metrics = {f"compress/{name}/{METRIC}": ndcg for name, (ndcg, _) in found.items()}
    metrics |= {f"compress/{name}/ms": ms for name, (_, ms) in found.items()}
    if winner == "full":
        return choice, metrics
    Encoder.load(folders[winner], language).save(models)
    other = choice.model_copy(update={"accepted": True, "reason": f"{choice.reason}; {reason}"})
    write_choice(models, other)
    return other, metrics


def pick(found: dict[str, tuple[float, float]], knobs: CompressParams) -> tuple[str, str]:
    """Return the fastest that loses no more than `max_ndcg_loss` of the best NDCG, and why; found: name -> NDCG, ms.

    Only those within `max_latency_ms` count; where none is, the fastest of all is taken.
    """
    within = {name: row for name, row in found.items() if not knobs.max_latency_ms or row[1] <= knobs.max_latency_ms}
    told = ", ".join(f"{name} {ndcg:.4f} in {ms:.1f} ms" for name, (ndcg, ms) in found.items())
    if not within:
        name = min(found, key=lambda n: found[n][1])
        return name, f"no encoder keeps to {knobs.max_latency_ms:g} ms, {name} is the fastest ({told})"
    least = max(ndcg for ndcg, _ in within.values()) * (1 - knobs.max_ndcg_loss)
    name = min((n for n, row in within.items() if row[0] >= least), key=lambda n: within[n][1])
    return name, f"encoder {name}: the fastest with {METRIC} of {least:.4f} or more ({told})"


def judge(original: str, before: float, after: float) -> ModelChoice:
    """Accept an adapted model that finds strictly more of what users chose next, on validation."""
    better = after > before
    verb = "is above" if better else "is not above"
    reason = f"validation {METRIC} of nearest texts, {after:.4f}, {verb} the {before:.4f} of the original"
    return ModelChoice(accepted=better, reason=reason, original=original)


def vectors(folder: Path, texts: list[str], params: Params, root: Path) -> FloatArray:
    """Return the texts' vectors by the model in `folder`; they stay in the cache, where `encode` finds them."""
    encoder = Encoder.load(folder, params.language)
    return encode_cached(encoder, texts, Settings().resolved(root.absolute()).home / "embeddings")


@dataclass(frozen=True)
class Asked:
    """What all encoders are asked: the validation users, and the products that one of them met; no others are read."""

    interactions: Interactions
    items: Catalogue
    users: Users
    met: BoolArray  # (n_items + 1,)

    @classmethod
    def read(cls, root: Path, params: Params) -> Self:
        """Return it from root/data/split."""
        split = root / "data/split"
        items, users = read_catalogue(split), window_users(split, "validation", params.recommend.exclude_seen)
        met = np.zeros(len(items) + 1, np.bool_)
        met[users.history.item_idx] = met[users.ground_truth.item_idx] = True
        return cls(read_interactions(split), items, users, met)


def retrieval(asked: Asked, root: Path, params: Params, folder: Path) -> dict[str, float]:
    """Return the metrics of nearest texts, by the model in `folder`: means over users."""
    texts = [text if seen else "" for text, seen in zip(asked.items.text, asked.met, strict=True)]
    items = replace(asked.items, embedding=vectors(folder, texts, params, root))
    model = ContentRecommender(params.models.content, params.models.popularity, 0)  # whole vectors
    model.fit(asked.interactions, items, asked.users)
    lists = model.recommend(asked.users, K, params.recommend.exclude_seen, asked.met).items
    return {name: float(np.nanmean(v)) for name, v in per_user(lists, asked.users.ground_truth, [K]).items()}


def main() -> None:
    """Pretrain in the current folder, or say that language.pretrain.method is none."""
    with stage("pretrain", "models/language", "reports/pretrain", learns=True) as params:
        if params.language.pretrain.method == "none":
            reason = "language.pretrain.method is none"
            choice = ModelChoice(accepted=False, reason=reason, original=params.language.model)
            write_choice(Path("models/language"), choice)
            metrics = {"accepted": 0.0}
        else:
            choice, metrics = adapt(Path(), params)
        if params.language.compress.variants:
            choice, more = compress(Path(), params, choice)
            metrics |= more
        write_metrics(Path("reports/pretrain"), metrics)
        log.info("%s: %s", "adapted model" if choice.accepted else "original model", choice.reason)
    shutil.rmtree(WORK, ignore_errors=True)


if __name__ == "__main__":
    main()
