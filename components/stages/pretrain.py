"""Stage `pretrain`: the shop's texts -> models/language: the adapted model where it retrieves better, else a note."""

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
from components.language.choice import ModelChoice, chosen_model, take_recipe_model, write_choice
from components.language.encoder import Encoder, resolve_model
from components.params import CompressParams, Params
from components.recommenders.content import ContentRecommender
from components.settings import Settings
from components.stages.run import stage, write_curve, write_metrics
from components.unfinished import mark_unfinished, read_unfinished

log = logging.getLogger("pretrain")
RECIPE = Path("run/recipe/language")  # the language model of the recipe, from the champion's bundle
WORK = Path("run/pretrain")  # checkpoints, from which a killed or stopped run goes on
K = 10
METRIC = f"ndcg_at_{K}"  # of retrieval by text similarity on the validation window
N_USERS, N_EVENTS = (
    2_000,
    10,
)  # of the comparison, at most: users, and newest events of each; bounds the texts to encode
N_TIMED = 40  # texts that are encoded one by one to time an encoder


@dataclass(frozen=True)
class RetrievalBenchmark:
    """The data to compare encoders on: validation users, and the items in their histories and targets."""

    interactions: Interactions
    items: Catalogue
    users: Users
    relevant: BoolArray  # (n_items + 1,), items of a history or a target; only their texts are encoded

    @classmethod
    def read(cls, root: Path, params: Params) -> Self:
        """Return the benchmark of root/data/split."""
        split = root / "data/split"
        items, users = read_catalogue(split), window_users(split, "validation", params.recommend.exclude_seen)
        users = users.subsample(N_USERS)
        users = replace(users, history=users.history.newest(N_EVENTS))
        relevant = np.zeros(len(items) + 1, np.bool_)
        relevant[users.history.item_idx] = relevant[users.ground_truth.item_idx] = True
        return cls(read_interactions(split), items, users, relevant)

    def measure(self, root: Path, params: Params, folder: Path) -> dict[str, float]:
        """Return the metrics of retrieval with the encoder in `folder`: means over users."""
        texts = [text if used else "" for text, used in zip(self.items.text, self.relevant, strict=True)]
        items = replace(self.items, embedding=embed(folder, texts, params, root))
        model = ContentRecommender(params.models.content, params.models.popularity, 0)  # all dimensions
        model.fit(self.interactions, items, self.users)
        lists = model.recommend(self.users, K, params.recommend.exclude_seen, self.relevant).items
        values = per_user(lists, self.users.ground_truth, [K])
        return {name: float(np.nanmean(v)) for name, v in values.items()}


def adapt(root: Path, params: Params) -> tuple[ModelChoice, dict[str, float]]:
    """Pretrain, compare on validation, fill root/models/language and write curves; return the choice and metrics."""
    from components.language.corpus import read_corpus
    from components.language.pretrain import pretrain

    original, held_out_share = resolve_model(params.language.model), params.language.pretrain.held_out_share
    adapted, reports = root / WORK / "adapted", root / "reports/pretrain"
    corpus = read_corpus(
        root / "data/snapshot", root / "data/split", params.split.target_events, held_out_share, params.seed
    )
    result = pretrain(original, corpus, params.language, params.seed, adapted, root / WORK)
    benchmark = RetrievalBenchmark.read(root, params)
    before, after = (benchmark.measure(root, params, folder) for folder in (original, adapted))
    choice = choose_adapted(params.language.model, before[METRIC], after[METRIC])
    if choice.accepted:
        Encoder.load(adapted, params.language).save(root / "models/language")
    write_choice(root / "models/language", choice)
    metrics = {f"retrieval/{name}/before": value for name, value in before.items()}
    metrics |= {f"retrieval/{name}/after": value for name, value in after.items()}
    metrics |= {name: value for name, value in result.metrics.items() if not np.isnan(value)}
    for name, values in result.curves.items():
        write_curve(reports, name, values)
    mark_unfinished(root / "models/language", result.unfinished)
    return choice, metrics | {"accepted": float(choice.accepted)}


def choose_adapted(original: str, before: float, after: float) -> ModelChoice:
    """Accept an adapted model only if its retrieval metric on validation is strictly higher."""
    better = after > before
    verb = "is above" if better else "is not above"
    reason = f"validation {METRIC} of nearest texts, {after:.4f}, {verb} the {before:.4f} of the original"
    return ModelChoice(accepted=better, reason=reason, original=original)


def compress(root: Path, params: Params, choice: ModelChoice) -> tuple[ModelChoice, dict[str, float]]:
    """Compare smaller encoders with the chosen one and replace it with the winner; return the choice and metrics."""
    from components.language.compress import median_encode_ms

    models, language = root / "models/language", params.language
    benchmark = RetrievalBenchmark.read(root, params)
    folders = _make_variants(root, params, chosen_model(models, choice.original), benchmark.items.text)
    texts = [text for text in benchmark.items.text if text]
    sample = texts[:: max(1, len(benchmark.items.text) // N_TIMED)][:N_TIMED]
    measured = {}
    for name in ("full", *language.compress.variants):
        latency = median_encode_ms(Encoder.load(folders[name], language), sample)
        measured[name] = benchmark.measure(root, params, folders[name])[METRIC], latency
    winner, reason = choose_fastest(measured, language.compress)
    log.info(reason)
    metrics = {f"compress/{name}/{METRIC}": ndcg for name, (ndcg, _) in measured.items()}
    metrics |= {f"compress/{name}/ms": latency for name, (_, latency) in measured.items()}
    if winner == "full":
        return choice, metrics
    Encoder.load(folders[winner], language).save(models)
    compressed = choice.model_copy(update={"accepted": True, "reason": f"{choice.reason}; {reason}"})
    write_choice(models, compressed)
    return compressed, metrics


def _make_variants(root: Path, params: Params, full: Path, texts: list[str]) -> dict[str, Path]:
    """Write the encoders of language.compress.variants; return the folder of each, and of the full one."""
    from components.language.compress import distil, write_int8

    language, work, folders = params.language, root / WORK, {"full": full}
    variants = language.compress.variants
    if any(name.startswith("distilled") for name in variants):
        folders["distilled"] = work / "distilled"
        targets = embed(full, texts, params, root)
        curve = distil(full, texts, targets, language.compress, language, params.seed, folders["distilled"])
        write_curve(root / "reports/pretrain", "train/distilled", curve)
    for variant in variants:
        if variant.endswith("int8"):
            source = folders["distilled" if variant.startswith("distilled") else "full"]
            folders[variant] = write_int8(source, language, work / variant)
    return folders


def choose_fastest(measured: dict[str, tuple[float, float]], params: CompressParams) -> tuple[str, str]:
    """Return the fastest encoder that loses at most `max_ndcg_loss` of the best NDCG, and the reason.

    measured: name -> (NDCG, milliseconds per text). Only encoders within `max_latency_ms` count; without any,
    the fastest of all is returned.
    """
    limit = params.max_latency_ms
    within = {name: row for name, row in measured.items() if not limit or row[1] <= limit}
    summary = ", ".join(f"{name} {ndcg:.4f} in {ms:.1f} ms" for name, (ndcg, ms) in measured.items())
    if not within:
        name = min(measured, key=lambda n: measured[n][1])
        return name, f"no encoder is within {limit:g} ms, {name} is the fastest ({summary})"
    least = max(ndcg for ndcg, _ in within.values()) * (1 - params.max_ndcg_loss)
    name = min((n for n, row in within.items() if row[0] >= least), key=lambda n: within[n][1])
    return name, f"encoder {name}: the fastest with {METRIC} of {least:.4f} or more ({summary})"


def embed(folder: Path, texts: list[str], params: Params, root: Path) -> FloatArray:
    """Return the texts' vectors by the encoder in `folder`, read from and added to the cache of `encode`."""
    encoder = Encoder.load(folder, params.language)
    return encode_cached(encoder, texts, Settings().resolved(root.absolute()).home / "embeddings")


def main() -> None:
    """Pretrain in the current folder, or note that language.pretrain.method is none; with a recipe, take its model."""
    with stage("pretrain", "models/language", "reports/pretrain", check_leaks=True) as params:
        if params.selection is not None:
            choice = take_recipe_model(Path("models/language"), RECIPE, params.selection.language, params.language)
            metrics = {"accepted": float(choice.accepted)}
        elif params.language.pretrain.method == "none":
            reason = "language.pretrain.method is none"
            choice = ModelChoice(accepted=False, reason=reason, original=params.language.model)
            write_choice(Path("models/language"), choice)
            metrics = {"accepted": 0.0}
        else:
            choice, metrics = adapt(Path(), params)
        if params.language.compress.variants and params.selection is None:
            choice, compression = compress(Path(), params, choice)
            metrics |= compression
        write_metrics(Path("reports/pretrain"), metrics)
        log.info("%s: %s", "adapted model" if choice.accepted else "original model", choice.reason)
    if not read_unfinished([Path("models/language")]):
        shutil.rmtree(WORK, ignore_errors=True)


if __name__ == "__main__":
    main()
