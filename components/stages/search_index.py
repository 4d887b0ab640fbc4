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
from components.search.learning import Learned, SearchContext, learn_weights

log = logging.getLogger("package")
MAX_QUERIES = 2000  # the newest of the validation window, from which weights are learned


def build_search(
    root: Path, params: Params, catalogue: Catalogue, encoder: Path | None, ann: AnnIndex | None
) -> SearchIndex:
    """Return the index; with the clicks before the test window where its weights are learned.

    encoder: folder of the language model in the bundle; None: it has none, and nothing is learned.
    """
    index, info = SearchIndex.build(catalogue, params.search), read_info(root / "data/split")
    before = _read(root, catalogue, 0, info.train_end)
    window = _read(root, catalogue, info.train_end, info.validation_end)
    known = set(index.lexical.vocabulary)
    if params.selection is not None:
        weights = params.selection.search
    else:
        started = index.with_weights(ClickCounts.of(before, known), None)
        weights = _learn(root, params, catalogue, started, window[-MAX_QUERIES:], encoder, ann)
    if weights is None:
        return index
    return index.with_weights(ClickCounts.of([*before, *window], known), weights)


def _read(root: Path, catalogue: Catalogue, start: int, end: int) -> list[Click]:
    positions = {item_id: n for n, item_id in enumerate(catalogue.item_id) if n}
    return read_clicks(root / "data/snapshot", positions, start, end)


def _learn(
    root: Path,
    params: Params,
    catalogue: Catalogue,
    index: SearchIndex,
    window: Sequence[Click],
    encoder: Path | None,
    ann: AnnIndex | None,
) -> SearchWeightsParams | None:
    """Return the learned weights; None where those of the parameters stay, with the reason in the log."""
    if len(window) < params.search.min_queries:
        log.info("search: %d searches with a click, %d needed to learn weights", len(window), params.search.min_queries)
        return None
    if encoder is None or catalogue.embedding is None:
        log.info("search: weights are not learned, the bundle has no language model")
        return None
    from components.language.encoder import Encoder

    vectors = Encoder.load(encoder, params.language).encode([click.query for click in window])
    popular = PopularityRecommender.load(root / "models/simple/popularity").popularity
    learned: Learned | None = learn_weights(
        SearchContext(index, catalogue.embedding, popular, ann), window, vectors, params.search.min_queries, params.seed
    )
    if learned is None:
        log.info("search: too few searches find the product that was clicked")
        return None
    log.info("%s", learned.describe())
    return learned.weights if learned.ships else None
