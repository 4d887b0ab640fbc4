"""Stage `pretrain`: the shop's texts -> models/language: the encoder that the comparison chose, or a note.

An adapted model replaces the original where it retrieves better, a smaller one where it retrieves nearly as well.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from components.contracts import BoolArray, Catalogue, FloatArray, Interactions, Users
from components.data.tables import read_catalogue, read_interactions
from components.evaluation import choice as candidates
from components.evaluation.metrics import per_user
from components.evaluation.protocol import window_users
from components.language.cache import encode_cached
from components.language.choice import ModelChoice, chosen_model, take_recipe_model, write_choice
from components.language.encoder import Encoder, resolve_model
from components.params import Params
from components.recommenders.content import ContentRecommender
from components.settings import Settings
from components.stages.run import stage, write_curve, write_metrics
from components.unfinished import mark_unfinished, read_unfinished

if TYPE_CHECKING:
    from components.language.corpus import Corpus

log = logging.getLogger("pretrain")
RECIPE = Path("run/recipe/language")  # the language model of the recipe, from the champion's bundle
WORK = Path("run/pretrain")  # checkpoints, from which a killed or stopped run goes on
K = 10
METRIC = f"ndcg_at_{K}"  # of retrieval by text similarity on the validation window
N_USERS, N_EVENTS = 2_000, 10  # of the comparison, at most: users, and newest events of each; bounds the time
COST = ("static", "distilled_int8", "int8", "distilled", "full")  # the order of time per text, the fastest first


@dataclass(frozen=True)
class RetrievalBenchmark:
    """The data to compare encoders on: validation users, and the items in their histories and targets."""

    interactions: Interactions
    items: Catalogue
    users: Users
    relevant: BoolArray  # (n_items + 1,), items of a history or a target; only their texts are encoded
    measured: dict[str, dict[str, FloatArray]] = field(default_factory=dict)  # digest of an encoder -> values by metric

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
        """Return the metrics of retrieval with the encoder in `folder`, means over users."""
        return {name: float(np.nanmean(v)) for name, v in self.values(root, params, folder).items()}

    def values(self, root: Path, params: Params, folder: Path) -> dict[str, FloatArray]:
        """Return the metrics of each user (n_users,), NaN without a target; an encoder is measured once."""
        digest = Encoder.load(folder, params.language).digest
        if digest not in self.measured:
            self.measured[digest] = self._measure(root, params, folder)
        return self.measured[digest]

    def _measure(self, root: Path, params: Params, folder: Path) -> dict[str, FloatArray]:
        texts = [text if used else "" for text, used in zip(self.items.text, self.relevant, strict=True)]
        items = replace(self.items, embedding=embed(folder, texts, params, root))
        model = ContentRecommender(params.models.content, params.models.popularity, 0)  # all dimensions
        model.fit(self.interactions, items, self.users)
        lists = model.recommend(self.users, K, params.recommend.exclude_seen, self.relevant).items
        return per_user(lists, self.users.ground_truth, [K])


def adapt(
    root: Path, params: Params, corpus: Corpus, benchmark: RetrievalBenchmark
) -> tuple[ModelChoice, dict[str, float]]:
    """Pretrain, compare on validation, fill root/models/language and write curves; return the choice and metrics."""
    from components.language.pretrain import pretrain

    original = resolve_model(params.language.model)
    adapted, reports = root / WORK / "adapted", root / "reports/pretrain"
    result = pretrain(original, corpus, params.language, params.seed, adapted, root / WORK)
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


def compress(
    root: Path, params: Params, corpus: Corpus, benchmark: RetrievalBenchmark, choice: ModelChoice
) -> tuple[ModelChoice, dict[str, float]]:
    """Compare smaller encoders with the chosen one and replace it with the winner; return the choice and metrics."""
    models, language = root / "models/language", params.language
    full = chosen_model(models, choice.original)
    folders, metrics = _make_variants(root, params, full, corpus, benchmark.items.text)
    ndcg = {name: benchmark.values(root, params, folder)[METRIC] for name, folder in folders.items()}
    winner, reason = choose_fastest(ndcg, language.compress.max_ndcg_loss)
    log.info(reason)
    metrics |= {f"compress/{name}/{METRIC}": float(np.nanmean(values)) for name, values in ndcg.items()}
    compressed = choice.model_copy(update={"reason": f"{choice.reason}; {reason}"})
    if winner != "full":
        compressed = compressed.model_copy(update={"accepted": True})
        Encoder.load(folders[winner], language).save(models)
    write_choice(models, compressed)
    return compressed, metrics | {"accepted": float(compressed.accepted)}


def _make_variants(
    root: Path, params: Params, full: Path, corpus: Corpus, texts: list[str]
) -> tuple[dict[str, Path], dict[str, float]]:
    """Write the encoders of language.compress.variants; return the folder of each and of the full one, and metrics."""
    from components.language.compress import distil, write_int8, write_static

    language, work, metrics = params.language, root / WORK, dict[str, float]()
    distilled, folders = work / "distilled", {"full": full}
    if any(name.startswith("distilled") for name in language.compress.variants):
        targets = embed(full, texts, params, root)
        curve = distil(full, texts, targets, language.compress, language, params.seed, distilled)
        write_curve(root / "reports/pretrain", "train/distilled", curve)
    for variant in language.compress.variants:
        folders[variant] = work / variant
        if variant == "static":
            metrics = write_static(full, corpus, language, params.seed, folders[variant])
        elif variant.endswith("int8"):
            write_int8(distilled if variant.startswith("distilled") else full, language, folders[variant])
    return folders, metrics


def choose_fastest(ndcg: dict[str, FloatArray], max_ndcg_loss: float) -> tuple[str, str]:
    """Return the fastest encoder that loses at most a share of the best NDCG, or one standard error; and the reason.

    ndcg: (n_users,) of "full" and variants, for the same users. The standard error is that of the mean difference to
    the best. The order of speed is fixed: measured times would make the choice depend on the load.
    """
    judged = ~np.isnan(ndcg["full"])
    found = candidates.choose({name: v[judged] for name, v in ndcg.items()}).candidates if judged.any() else []
    rows = {row.model: row for row in found}
    limit = max_ndcg_loss * max((row.value for row in rows.values()), default=0.0)
    close = [name for name in COST if name in rows and rows[name].behind <= max(limit, rows[name].standard_error)]
    name = close[0] if close else "full"
    summary = ", ".join(f"{row.model} {row.value:.4f}" for row in rows.values())
    limits = f"{max_ndcg_loss:.0%} or one standard error of the best"
    return name, f"encoder {name}: the fastest within {limits} in validation {METRIC} ({summary or 'no user'})"


def embed(folder: Path, texts: list[str], params: Params, root: Path) -> FloatArray:
    """Return the texts' vectors by the encoder in `folder`, read from and added to the cache of `encode`."""
    encoder = Encoder.load(folder, params.language)
    return encode_cached(encoder, texts, Settings().resolved(root.absolute()).home / "embeddings")


def main() -> None:
    """Pretrain and compress in the current folder, as far as the parameters say; with a recipe, take its model."""
    with stage("pretrain", "models/language", "reports/pretrain", check_leaks=True) as params:
        choice, metrics = choose(Path(), params)
        write_metrics(Path("reports/pretrain"), metrics)
        log.info("%s: %s", "another model" if choice.accepted else "original model", choice.reason)
    if not read_unfinished([Path("models/language")]):
        shutil.rmtree(WORK, ignore_errors=True)


def choose(root: Path, params: Params) -> tuple[ModelChoice, dict[str, float]]:
    """Fill root/models/language; return the choice and metrics."""
    models, language = root / "models/language", params.language
    if params.selection is not None:
        choice = take_recipe_model(models, root / RECIPE, params.selection.language, language)
        return choice, {"accepted": float(choice.accepted)}
    choice = ModelChoice(accepted=False, reason="language.pretrain.method is none", original=language.model)
    metrics = {"accepted": 0.0}
    write_choice(models, choice)
    if language.pretrain.method == "none" and not language.compress.variants:
        return choice, metrics
    from components.language.corpus import read_corpus

    snapshot, split, held_out = root / "data/snapshot", root / "data/split", language.pretrain.held_out_share
    private = params.privacy.epsilon is not None
    corpus = read_corpus(snapshot, split, params.split.target_events, held_out, params.seed, of_products=private)
    benchmark = RetrievalBenchmark.read(root, params)
    if language.pretrain.method != "none":
        choice, metrics = adapt(root, params, corpus, benchmark)
    if language.compress.variants:
        choice, compression = compress(root, params, corpus, benchmark, choice)
        metrics |= compression
    return choice, metrics


if __name__ == "__main__":
    main()
