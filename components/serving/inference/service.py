"""The service behind the routes: assigns a model to each request, and makes the list from history and stock."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

from components.applications.record import enabled_applications
from components.contracts import Users
from components.params import Params
from components.privacy.masking import mask
from components.release.bundle import Bundle
from components.serving.inference.errors import MissingPartError, NoModelError
from components.serving.inference.histories import HistoryRow, build_user, to_rows
from components.serving.inference.model_context import ModelContext, ModelContexts
from components.serving.inference.recommendations import (
    Find,
    Recommendation,
    RenderedList,
    fallback_reason,
    find_bought_together,
    find_similar,
    render_items,
    render_ruled,
    render_scored,
)
from components.serving.inference.scorer import FAILED, RenderedItems, ScoredList, Scorer
from components.serving.inference.shadow import Shadow
from components.serving.inference.store_reader import STORE_UNAVAILABLE, StoreReader
from components.serving.inference.worker_pool import WorkerPool
from components.serving.metrics import ServiceMetrics
from components.serving.models.router import TrafficRouter, Variant
from components.serving.models.watcher import ModelWatcher, ServedModel
from components.serving.schemas import (
    ItemProbabilities,
    ItemsRequest,
    RecommendRequest,
    SearchRequest,
    SimilarRequest,
)
from components.serving.storage.erasure import NEVER, ErasedAt, ErasureLog
from components.serving.storage.event_store import CLOCK_SKEW_US, EventStore, StoredEvent, StoreError
from components.serving.storage.exposures import ExposureLog
from components.serving.storage.merchandising import MerchandisingRules, RuleSet
from components.times import now_micros

WARM_UP_HISTORIES = 32  # newest histories that a new model scores before it serves
CachedList = tuple[int, Users, ScoredList]  # made from this version of the user's history


class RecommendationService:
    """What the requests of one process share: models, scorer, store, exposure log, worker threads."""

    def __init__(
        self,
        watcher: ModelWatcher,
        router: TrafficRouter,
        store: EventStore,
        exposures: ExposureLog,
        params: Params,
        metrics: ServiceMetrics,
    ) -> None:
        """watcher: of the champion; router: follows the challenger."""
        serving = params.serving
        self.watcher, self.router, self.store, self.exposures = watcher, router, store, exposures
        self.params, self.null_ids, self.metrics = serving, params.data.null_ids, metrics
        self.masked_kinds, self.default_consent = params.privacy.mask, params.privacy.default_consent
        self.applications = enabled_applications(params)
        self.scorer = Scorer(serving.max_k, serving.max_batch_size, serving.max_queue, serving.list_cache_size)
        self.shadow = Shadow(router.watcher, serving.challenger.shadow_share, self.scorer, metrics)
        self.reader = StoreReader(store, serving.store_connections, serving.max_queue)
        self.workers = WorkerPool(serving.threads, serving.max_queue, metrics)
        self.contexts = ModelContexts(
            params.language, lambda: (watcher.current, watcher.previous, router.watcher.current)
        )
        self.erasures = exposures.erasures or ErasureLog(store, exposures.folder)
        self.erasures.on_erase.append(self._forget)
        self.merchandising = MerchandisingRules(store, metrics)
        self._recent: deque[list[HistoryRow]] = deque(maxlen=WARM_UP_HISTORIES)
        self._user_lists: dict[tuple[str, str], CachedList] = {}  # by digest of the bundle and user_id
        watcher.warm_up = router.watcher.warm_up = self.warm_up

    def start(self) -> None:
        """Start all threads; the last good bundle on disk serves when this returns."""
        self.scorer.start()
        self.exposures.start()
        self.erasures.start()
        self.merchandising.start()
        self.watcher.start()
        self.router.start()

    def stop(self) -> None:
        """End all threads, after waiting lists are made and waiting exposures and events are written."""
        self.router.stop()
        self.watcher.stop()
        self.scorer.stop()
        self.exposures.stop()
        self.erasures.stop()
        self.merchandising.stop()
        self.store.close()

    def delete_user(self, user_id: str) -> int:
        """Delete a user from the store, from this process's memory and from this machine's exposures.

        Return the number of events. Other processes follow within erasure.POLL_S. Raises StoreError, BusyError.
        """
        n_events = self.store.delete_user(user_id)
        self.erasures.apply()
        return n_events

    def _forget(self, erased_at: ErasedAt) -> None:
        """Remove deleted users from the cached lists and the warm-up histories."""
        self._recent.clear()
        for key in list(self._user_lists):
            if erased_at(key[1]) != NEVER:
                self._user_lists.pop(key, None)

    def champion(self) -> ServedModel:
        """Return the champion; raises NoModelError."""
        champion = self.watcher.current
        if champion is None:
            raise NoModelError
        return champion

    def assign(self, user_id: str | None) -> Variant:
        """Return the model and the arm of this user; raises NoModelError."""
        return self.router.assign(user_id, self.champion())

    def warm_up(self, served: ServedModel) -> None:
        """Score the newest histories with a new model before it serves; raises what the model raises."""
        self.contexts.get(served).warm_up(list(self._recent))

    async def recommend(self, body: RecommendRequest) -> tuple[Variant, RenderedList]:
        """Return products for a user or a history. Raises NoModelError, OverloadError, RuleError."""
        started = time.perf_counter()
        variant = self.assign(body.user_id)
        bundle = variant.served.bundle
        user, scored = await self._score(bundle, body)
        rules = self.merchandising.active
        if body.has_plain_list:
            items = await self._rendered(variant.served, user, scored, body, rules)
            rendered = RenderedList(items, scored.model, fallback_reason(scored, body))
        else:
            out_of_stock = await self.reader.out_of_stock(body.filters)
            context = self.contexts.get(variant.served)
            rerank = partial(context.recommend, user, scored, body, out_of_stock, rules)
            rendered = _render(await self.workers.run_in_worker(rerank))
        self.router.record(variant, rendered.reason == FAILED, time.perf_counter() - started)
        if self.shadow.share:  # models are compared, not rules
            ids = bundle.item_ids
            own = rendered.items.item_ids if rules.version is None else [ids[i] for i in scored.items[: body.k]]
            self.shadow.compare(variant, user, own)
        return variant, rendered

    async def _rendered(
        self, served: ServedModel, user: Users, scored: ScoredList, body: RecommendRequest, rules: RuleSet
    ) -> RenderedItems:
        """Return the list of a request without filters as JSON, from the cache where it was made before."""
        if rules.version is None:
            return render_scored(served.bundle, scored, body.k)
        cached = scored.ruled.get((body.k, rules.version))
        if cached is not None:
            return cached
        context = self.contexts.get(served)
        work = partial(context.recommend, user, scored, body, frozenset(), rules)
        found = await self.workers.run_in_worker(work)
        return render_ruled(scored, body.k, rules.version, found.items)

    async def _score(self, bundle: Bundle, body: RecommendRequest) -> tuple[Users, ScoredList]:
        """Return the user and the scored list; from the cache until the user has a new event."""
        context_item, user_id = body.context.item_id, None if body.history else body.user_id
        is_cacheable = user_id is not None and context_item is None
        key, version, is_store_available = (bundle.digest, user_id or ""), 0, True
        cached = self._user_lists.get(key) if is_cacheable else None
        try:
            if user_id is not None and is_cacheable:
                # read before the history: an event that is written in between changes the version seen next time
                version = await self.reader.history_version(user_id)
                if cached is not None and cached[0] == version:
                    return cached[1], cached[2]
            rows = await self.reader.rows(body, bundle.info.max_history, context_item)
        except StoreError:  # the last list that was made for the user, else the one for an unknown user
            if cached is not None:
                return cached[1], replace(cached[2], reason=STORE_UNAVAILABLE)
            rows, is_store_available = to_rows([], context_item), False
        user = build_user(bundle, rows)
        self._recent.append(rows)
        scored = self.scorer.submit(bundle, user)
        if isinstance(scored, Future):
            scored = await asyncio.wrap_future(scored)
        if not is_store_available:
            return user, replace(scored, reason=STORE_UNAVAILABLE)
        if is_cacheable and scored.reason != FAILED and self.params.list_cache_size:
            if len(self._user_lists) >= self.params.list_cache_size:
                self._user_lists.pop(next(iter(self._user_lists), key), None)
            self._user_lists[key] = version, user, scored
        return user, scored

    async def preview(self, body: RecommendRequest, rules: RuleSet) -> Recommendation:
        """Return the champion's list after these rules; it is not shown to anybody, and not logged."""
        context = self.contexts.get(self.champion())
        user, scored = await self._score(context.bundle, body)
        out_of_stock = await self.reader.out_of_stock(body.filters)
        return await self.workers.run_in_worker(partial(context.recommend, user, scored, body, out_of_stock, rules))

    async def search(self, body: SearchRequest) -> tuple[Variant, RenderedList]:
        """Return products for a query. Raises NoModelError, OverloadError, RuleError, MissingPartError."""
        variant, found = await self.find_products(body)
        return variant, _render(found)

    async def find_products(self, body: SearchRequest) -> tuple[Variant, Recommendation]:
        """Return what `search` returns, not rendered. Personal data in the query is removed first."""
        variant, context = self._assign_context(body.user_id)
        if body.query.strip() not in context.bundle.index:  # a product's id may look like a phone number
            query = mask(body.query, self.masked_kinds, with_names=False).text
            body = body.model_copy(update={"query": query})
        user, reason = None, None
        if body.personal:
            try:
                rows = await self.reader.rows(body, context.bundle.info.max_history)
                user = build_user(context.bundle, rows)
            except StoreError:
                reason = STORE_UNAVAILABLE  # not personalised
        out_of_stock = await self.reader.out_of_stock(body.filters)
        rules = self.merchandising.active
        found = await self.workers.run_in_worker(partial(context.search_products, body, user, out_of_stock, rules))
        if found is None:
            raise MissingPartError("the champion was packaged before there was search; run `carousel retrain`")
        return variant, found._replace(reason=found.reason or reason)

    async def similar(self, body: SimilarRequest) -> tuple[Variant, RenderedList]:
        """Return products with a text similar to a product's. Raises as `search`, and UnknownItemError."""
        return await self._find(body, find_similar)

    async def bought_together(self, body: SimilarRequest) -> tuple[Variant, RenderedList]:
        """Return products that are bought together with a product. Raises as `search`, and UnknownItemError."""
        return await self._find(body, find_bought_together)

    async def _find(self, body: SimilarRequest, find: Find) -> tuple[Variant, RenderedList]:
        variant, context = self._assign_context(None)
        out_of_stock = await self.reader.out_of_stock(body.filters)
        work = partial(context.find, find, body, out_of_stock, self.merchandising.active)
        return variant, _render(await self.workers.run_in_worker(work))

    async def explain(self, body: ItemsRequest) -> tuple[Variant, RenderedList]:
        """Return scores, contributions and explanations of the given products that the model knows."""
        variant, context = self._assign_context(body.user_id)
        bundle = context.bundle
        user = build_user(bundle, await self.reader.rows(body, bundle.info.max_history))
        return variant, _render(await self.workers.run_in_worker(partial(context.explain, user, body.item_ids)))

    async def rank(self, body: ItemsRequest) -> tuple[Variant, list[ItemProbabilities]]:
        """Return the probabilities of events for given products, best first. Raises MissingPartError."""
        variant, context = self._assign_context(body.user_id)
        n_newest = context.bundle.info.max_history
        stored = await self.reader.history(body.user_id, n_newest) if body.user_id else []
        user = build_user(context.bundle, to_rows(body.history or stored))
        now = now_micros() + CLOCK_SKEW_US

        def work() -> list[ItemProbabilities] | None:
            features = context.online_features
            return features.rank_items(user, features.profile(stored, now), body.item_ids)

        items = await self.workers.run_in_worker(work)
        if items is None:
            raise MissingPartError("the champion has no ranker: the shop's data has no impressions to train one")
        return variant, items

    async def profile(self, user_id: str) -> tuple[list[StoredEvent], dict[str, Any] | None]:
        """Return the stored history of a user, oldest first, and the profile computed from it."""
        context = self.contexts.get(self.champion())
        rows = await self.reader.history(user_id, context.bundle.info.max_history)
        now = max([now_micros(), *(row.at + 1 for row in rows)])
        return rows, await self.workers.run_in_worker(lambda: context.online_features.profile(rows, now))

    def _assign_context(self, user_id: str | None) -> tuple[Variant, ModelContext]:
        variant = self.assign(user_id)
        return variant, self.contexts.get(variant.served)


def _render(found: Recommendation) -> RenderedList:
    return RenderedList(render_items(found.items), found.model, found.reason)
