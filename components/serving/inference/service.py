"""What all routes share: who answers, whose history it is, room for some requests at once, a note of what was shown."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar

import anyio
import anyio.to_thread
from fastapi import Request
from pydantic import TypeAdapter
from starlette.responses import Response

from components.contracts import Users
from components.params import Params
from components.release.bundle import Bundle
from components.serving.http.problems import ProblemError
from components.serving.inference import recommendations as answers
from components.serving.inference.recommendations import Out, Recommendation, Row
from components.serving.inference.rules import RuleError
from components.serving.inference.scorer import FAILED, OverloadError, Rendered, ScoredList, Scorer
from components.serving.inference.search_service import SearchService
from components.serving.metrics import ServiceMetrics
from components.serving.models.router import TrafficRouter, Variant
from components.serving.models.watcher import ModelWatcher, ServedModel
from components.serving.schemas import NO_FILTERS, Filters, Item, RecommendRequest, UserOrHistory
from components.serving.storage.event_store import EventStore, StoreError
from components.serving.storage.exposures import Exposure, ExposureLog
from components.serving.storage.ttl_cache import TtlCached
from components.times import now_micros

T = TypeVar("T")
ITEMS = TypeAdapter(list[Item])
TOLD = (b"experiment", b"arm", b"model", b"reason")
REPLAYED = 32  # newest requests with which a new bundle is warmed
STOCK_S = 2.0  # the stock is read again after this
AWAY = "the store of histories is away"


class RecommendationService:
    """Everything that a request needs, made once for a process."""

    def __init__(
        self,
        watcher: ModelWatcher,
        challenger: TrafficRouter,
        state: EventStore,
        exposures: ExposureLog,
        params: Params,
        metrics: ServiceMetrics,
    ) -> None:
        serving = params.serving
        self.watcher, self.challenger = watcher, challenger
        self.language = params.language
        self._finders: dict[str, SearchService] = {}  # by digest of the bundle
        self.state, self.exposures = state, exposures
        self.serving, self.metrics = serving, metrics
        self.scorer = Scorer(serving.max_k, serving.max_batch_size, serving.max_queue, serving.list_cache_size)
        self.limiter = anyio.CapacityLimiter(serving.threads)
        self.readers = anyio.CapacityLimiter(serving.store_connections)
        self.recent: deque[list[Row]] = deque(maxlen=REPLAYED)
        self.running = 0
        self._kept: dict[
            tuple[str, str], tuple[int, Users, ScoredList]
        ] = {}  # (bundle, user) -> mark of the history, list
        self.out_of_stock = TtlCached(STOCK_S, self._out_of_stock)  # item_ids of which nothing is left
        watcher.warm = challenger.watcher.warm = self._warm

    def start(self) -> None:
        """Begin to serve; the last good bundle is loaded before this returns."""
        self.scorer.start()
        self.exposures.start()
        self.watcher.start()
        self.challenger.start()

    def stop(self) -> None:
        """End: lists that are under way are made, and what was shown and told is on disk."""
        self.challenger.stop()
        self.watcher.stop()
        self.scorer.stop()
        self.exposures.stop()
        self.state.close()

    def champion(self) -> ServedModel:
        """Return the champion; raises ProblemError where there is none yet."""
        champion = self.watcher.current
        if champion is None:
            raise ProblemError(
                503, "no champion serves yet; `carousel retrain --bootstrap` makes one", {"Retry-After": "5"}
            )
        return champion

    def side(self, user_id: str | None) -> Variant:
        """Return who answers this user, and in which arm."""
        return self.challenger.side(user_id, self.champion())

    async def recommend(self, request: Request, body: RecommendRequest) -> Response:
        """Answer with a list for a user, and note what was shown."""
        self.check_k(body.k)
        started = time.perf_counter()
        side = self.side(body.user_id)
        bundle = side.champion.bundle
        user, best = await self._best(bundle, body)
        filters = body.filters
        if filters is NO_FILTERS and not (body.exclude or body.explain or body.diversity or body.context.item_id):
            text, item_ids = rendered(bundle, best, body.k)
            listed = Listed(text, item_ids, best.model, answers.reason_of(best, body))
        else:
            out = await self.out(filters)
            listed = as_listed(await self.apart(lambda: answers.recommend(side.champion, user, best, body, out)))
        self.challenger.compare(side, user, listed, time.perf_counter() - started, self.scorer)
        return self.shown(request, side, listed, body.user_id, body.context.session_id)

    async def _best(self, bundle: Bundle, body: RecommendRequest) -> tuple[Users, ScoredList]:
        """Return the user and the best products; of a user of whom nothing new was told, what was found before."""
        here, user_id = body.context.item_id, None if body.history else body.user_id
        key, mark, keeps = (bundle.digest, user_id or ""), 0, user_id is not None and here is None
        kept = self._kept.get(key) if keeps else None
        try:
            if user_id is not None and keeps:
                # read before the history: an event that is written in between changes the version seen next time
                mark = await self.told(partial(self.state.history_version, user_id))
                if kept is not None and kept[0] == mark:
                    return kept[1], kept[2]
            rows, away = await self.rows(body, bundle.info.max_history, here), False
        except StoreError:  # what is known of the user, and be it old, else what a stranger gets
            if kept is not None:
                return kept[1], replace(kept[2], reason=AWAY)
            rows, away = answers.rows_of([], here), True
        user = answers.user_of(bundle, rows)
        self.recent.append(rows)
        try:
            best = self.scorer.best(bundle, user)
            if isinstance(best, Future):
                best = await asyncio.wrap_future(best)
        except OverloadError:
            raise self._overload() from None
        if away:
            return user, replace(best, reason=AWAY)
        if keeps and best.reason != FAILED and self.serving.list_cache_size:
            if len(self._kept) >= self.serving.list_cache_size:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = mark, user, best
        return user, best

    async def rows(self, body: UserOrHistory, newest: int, here: str | None = None) -> list[Row]:
        """Return the history that counts: the request's, else what was told of the user. Raises StoreError."""
        if body.history:
            return answers.rows_of(body.history, here)
        if body.user_id is None:
            return answers.rows_of([], here)
        return answers.rows_of(await self.told(partial(self.state.history, body.user_id, newest)), here)

    async def told(self, read: Callable[[], T]) -> T:
        """Return what the store says; one that is over the network is asked in a thread. Raises StoreError."""
        if self.state.is_local:
            return read()
        if self.readers.statistics().tasks_waiting >= self.serving.max_queue:
            raise self._overload()
        return await anyio.to_thread.run_sync(read, limiter=self.readers)

    async def apart(self, work: Callable[[], T]) -> T:
        """Return what the work gives, done in a thread; raises ProblemError for overload and for what it was asked."""
        if self.running >= self.serving.threads + self.serving.max_queue:
            raise self._overload()
        self.running += 1
        self.metrics.running.set(self.running)
        try:
            return await anyio.to_thread.run_sync(work, limiter=self.limiter)
        except answers.UnknownItemError:
            raise ProblemError(404, "the champion does not know this product") from None
        except RuleError as error:
            raise ProblemError(422, f"filters.rules: {error}") from None
        finally:
            self.running -= 1
            self.metrics.running.set(self.running)

    def shown(
        self, request: Request, side: Variant, listed: Listed, user_id: str | None, session_id: str | None = None
    ) -> Response:
        """Return the answer (schemas.Answer), and leave a note of what it shows."""
        if listed.reason:
            self.metrics.fallbacks.labels(listed.reason).inc()
        request_id, version = request.state.request_id, side.champion.version
        about = (request_id, request.scope["path"], version, side.experiment, side.arm)
        self.exposures.add(Exposure(user_id, listed.item_ids, now_micros(), session_id, *about))
        told = (side.experiment, side.arm, listed.model, listed.reason)
        words = b",".join(b'"%s":%s' % pair for pair in zip(TOLD, map(_json, told), strict=True))
        head = b'{"request_id":"%s","version":%d,' % (request_id.encode(), version)
        return Response(head + words + b',"items":' + listed.text + b"}", media_type="application/json")

    async def out(self, filters: Filters) -> Out:
        """Return the item_ids that the stock bars; none where the filters do not ask for it.

        Raises StoreError where the stock was never read; what was read last counts while the store is away.
        """
        if not filters.in_stock:
            return frozenset()
        try:
            return await self.told(self.out_of_stock)
        except StoreError:
            if self.out_of_stock.stale is None:
                raise
            return self.out_of_stock.stale

    def _out_of_stock(self) -> Out:
        return frozenset(item_id for item_id, pieces in self.state.stock().items() if pieces <= 0)

    def search_service(self, champion: ServedModel) -> SearchService:
        """Return what searches in a bundle; of bundles that serve no more nothing is kept."""
        digest = champion.bundle.digest
        search_service = self._finders.get(digest)
        if search_service is None:
            held = (self.watcher.current, self.watcher.previous, self.challenger.watcher.current)
            kept = {c.bundle.digest for c in held if c is not None}
            search_service = SearchService(champion.bundle, self.language)
            self._finders = {d: f for d, f in self._finders.items() if d in kept} | {digest: search_service}
        return search_service

    def check_k(self, k: int) -> None:
        """Raise ProblemError for a list length out of bounds."""
        if not 1 <= k <= self.serving.max_k:
            raise ProblemError(422, f"k is a list length from 1 to {self.serving.max_k}")

    def _warm(self, champion: ServedModel) -> None:
        """Let a new bundle answer what was asked last; raises what it raises."""
        champion.catalogue_filter.equal("brand", "")
        self.search_service(champion).warm()
        for rows in list(self.recent):
            user = answers.user_of(champion.bundle, rows)
            if len(user.history.item_idx):
                champion.bundle.model.recommend(user, 1, champion.bundle.info.exclude_seen)

    def _overload(self) -> ProblemError:
        self.metrics.shed.inc()
        return ProblemError(503, "too many requests at once; try again in a second", {"Retry-After": "1"})


class Listed(NamedTuple):
    """A list as it is sent."""

    text: bytes  # JSON
    item_ids: Sequence[str]
    model: str
    reason: str | None


def as_listed(found: Recommendation) -> Listed:
    """Return a list as it is sent."""
    return Listed(ITEMS.dump_json(found.items), [i.item_id for i in found.items], found.model, found.reason)


def rendered(bundle: Bundle, best: ScoredList, k: int) -> Rendered:
    """Return the first k of a list as JSON and ids; the same list is rendered once."""
    done = best.rendered.get(k)
    if done is None:
        items = answers.as_items(bundle, best.items[:k], best.scores[:k])
        done = best.rendered[k] = ITEMS.dump_json(items), tuple(item.item_id for item in items)
    return done


@lru_cache(maxsize=1000)
def _json(value: str | None) -> bytes:
    return json.dumps(value).encode()


def unsafe(error: Exception) -> ProblemError:
    """Return the answer to events that could not be written: nobody is told that they are safe."""
    what = "the store is away, busy or full" if isinstance(error, StoreError) else "the store failed"
    return ProblemError(503, f"the events were not taken: {what}; send them again", {"Retry-After": "1"})
