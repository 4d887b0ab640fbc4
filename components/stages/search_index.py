"""The search index of a bundle, and the weights of its signals: learned from searches with clicks, or the recipe's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from components.contracts import Catalogue
from components.data.tables import read_info
from components.params import Params, SearchWeightsParams
from components.recommenders.ann_index import AnnIndex
from components.recommenders.popularity import PopularityRecommender
from components.search.clicks import Click, ClickCounts, read_clicks
from components.search.index import SearchIndex
from components.search.learning import SearchContext, learn_weights

log = logging.getLogger("package")
MAX_QUERIES = 2000  # the newest of the validation window, from which weights are learned


def build_search(
    root: Path, params: Params, catalogue: Catalogue, encoder: Path | None, ann: AnnIndex | None
) -> tuple[SearchIndex, str]:
    """Return the index, with the clicks before the test window where its weights are learned; and a line about them.

    encoder: folder of the language model in the bundle; None: it has none, and nothing is learned.
    """
    index, info = SearchIndex.build(catalogue, params.search), read_info(root / "data/split")
    if params.privacy.epsilon is not None:
        about = "Clicks on results are not learned from, since models learn with noise; the parameters' weights count."
        log.info("search: %s", about)
        return index, about
    if params.selection is not None and params.selection.search is None:
        about = "The recipe has no learned weights; those of the parameters count."
        log.info("search: %s", about)
        return index, about
    known, positions = set(index.lexical.vocabulary), {i: n for n, i in enumerate(catalogue.item_id) if n}
    before = read_clicks(root / "data/snapshot", positions, 0, info.train_end)
    window = read_clicks(root / "data/snapshot", positions, info.train_end, info.validation_end)
    if params.selection is not None:
        weights, about = params.selection.search, "Weights of the recipe."
    else:
        started = index.with_weights(ClickCounts.of(before, known), None)
        weights, about = _learn(root, params, catalogue, started, window[-MAX_QUERIES:], encoder, ann)
    log.info("search: %s", about)
    if weights is None:
        return index, about
    values = ", ".join(f"{name} {value:g}" for name, value in weights)
    return index.with_weights(ClickCounts.of([*before, *window], known), weights), f"{about} Weights: {values}."


def _learn(
    root: Path,
    params: Params,
    catalogue: Catalogue,
    index: SearchIndex,
    window: Sequence[Click],
    encoder: Path | None,
    ann: AnnIndex | None,
) -> tuple[SearchWeightsParams | None, str]:
    """Return the learned weights, or None where those of the parameters count, and why."""
    least, section = params.search.min_queries, "the weights of the parameters count"
    if len(window) < least:
        return None, f"{len(window)} searches with a click, {least} needed to learn weights: {section}."
    if encoder is None or catalogue.embedding is None:
        return None, f"No language model in the bundle to learn weights with: {section}."
    from components.language.encoder import Encoder

    vectors = Encoder.load(encoder, params.language).encode([click.query for click in window])
    popular = PopularityRecommender.load(root / "models/simple/popularity").popularity
    context = SearchContext(index, catalogue.embedding, popular, ann)
    learned = learn_weights(context, window, vectors, least, params.seed)
    if learned is None:
        return None, f"Fewer than {least} searches find the product that was clicked: {section}."
    return (learned.weights if learned.ships else None), learned.describe()
