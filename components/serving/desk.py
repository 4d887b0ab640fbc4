"""What all routes share: who answers, whose history it is, room for some requests at once, a note of what was shown."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi import Request
from starlette.responses import Response

from components.params import Params
from components.serving import answers
from components.serving.answers import Found, Out, Row
from components.serving.challenger import Challenger, Side
from components.serving.champion import Champion, Champions
from components.serving.exposures import Exposure, ExposureLog
from components.serving.finding import Finder
from components.serving.meters import Meters
from components.serving.problems import ProblemError
from components.serving.rules import RuleError
from components.serving.schemas import Answer, Asked, RecommendRequest
from components.serving.scoring import OverloadError, Scorer
from components.serving.state import State

T = TypeVar("T")
REPLAYED = 32  # newest requests with which a new bundle is warmed
STOCK_S = 2.0  # the stock is read again after this


class Desk:
    """Everything that a request needs, made once for a process."""

    def __init__(
        self,
        champions: Champions,
        challenger: Challenger,
        state: State,
        exposures: ExposureLog,
        params: Params,
        meters: Meters,
    ) -> None:
        serving = params.serving
        self.champions, self.challenger = champions, challenger
        self.language = params.language
        self._finders: dict[str, Finder] = {}  # by digest of the bundle
        self.state, self.exposures = state, exposures
        self.serving, self.meters = serving, meters
        self.scorer = Scorer(serving.max_k, serving.together, serving.max_waiting, serving.remembered)
        self.limiter = anyio.CapacityLimiter(serving.threads)
        self.recent: deque[list[Row]] = deque(maxlen=REPLAYED)
        self.running = 0
        self._stock: tuple[float, Out] = (-STOCK_S, frozenset())
        champions.warm = challenger.champions.warm = self._warm

    def start(self) -> None:
        """Begin to serve; the last good bundle is loaded before this returns."""
        self.scorer.start()
        self.exposures.start()
        self.champions.start()
        self.challenger.start()

    def stop(self) -> None:
        """End: lists that are under way are made, and what was shown and told is on disk."""
        self.challenger.stop()
        self.champions.stop()
        self.scorer.stop()
        self.exposures.stop()
        self.state.close()

    def champion(self) -> Champion:
        """Return the champion; raises ProblemError where there is none yet."""
        champion = self.champions.current
        if champion is None:
            raise ProblemError(
                503, "no champion serves yet; `carousel retrain --bootstrap` makes one", {"Retry-After": "5"}
            )
        return champion

    def side(self, user_id: str | None) -> Side:
        """Return who answers this user, and in which arm."""
        return self.challenger.side(user_id, self.champion())

    async def recommend(self, request: Request, body: RecommendRequest) -> Response:
        """Answer with a list for a user, and note what was shown."""
        self.check_k(body.k)
        started = time.perf_counter()
        side = self.side(body.user_id)
        bundle = side.champion.bundle
        rows = self.rows(body, bundle.info.max_history, body.context.item_id)
        user = answers.user_of(bundle, rows)
        self.recent.append(rows)
        try:
            best = self.scorer.best(bundle, user)
            if isinstance(best, Future):
                best = await asyncio.wrap_future(best)
        except OverloadError:
            raise self._overload() from None
        plain = not (body.explain or body.diversity or body.filters.rules or body.filters.in_stock)
        out = self.out_of_stock() if body.filters.in_stock else frozenset()

        def find() -> Found:
            return answers.recommend(side.champion, user, best, body, out)

        # a plain list is a matter of microseconds, unless too few of the best are left by exclusions and filters
        found = find() if plain and len(body.exclude) < len(best.items) - body.k else await self.apart(find)
        self.challenger.compare(side, user, found, time.perf_counter() - started, self.scorer)
        return self.shown(request, side, found, body.user_id, body.context.session_id)

    def rows(self, body: Asked, newest: int, here: str | None = None) -> list[Row]:
        """Return the history that counts: the request's, else what was told of the user."""
        if body.history:
            return answers.rows_of(body.history, here)
        if body.user_id is None:
            return answers.rows_of([], here)
        return answers.rows_of(self.state.history(body.user_id, newest), here)

    async def apart(self, work: Callable[[], T]) -> T:
        """Return what the work gives, done in a thread; raises ProblemError for overload and for what it was asked."""
        if self.running >= self.serving.threads + self.serving.max_waiting:
            raise self._overload()
        self.running += 1
        self.meters.running.set(self.running)
        try:
            return await anyio.to_thread.run_sync(work, limiter=self.limiter)
        except answers.UnknownItemError:
            raise ProblemError(404, "the champion does not know this product") from None
        except RuleError as error:
            raise ProblemError(422, f"filters.rules: {error}") from None
        finally:
            self.running -= 1
            self.meters.running.set(self.running)

    def shown(
        self, request: Request, side: Side, found: Found, user_id: str | None, session_id: str | None = None
    ) -> Response:
        """Return the answer, and leave a row for each product that it shows."""
        if found.reason:
            self.meters.fallbacks.labels(found.reason).inc()
        request_id, version = request.state.request_id, side.champion.version
        now, route = time.time_ns() // 1000, request.url.path
        about = (request_id, route, version, side.experiment, side.arm)
        self.exposures.add(
            [
                Exposure(user_id, item.item_id, now, "impression", None, None, session_id, place, 1.0, *about)
                for place, item in enumerate(found.items, start=1)
            ]
        )
        answer = Answer(
            request_id=request_id,
            version=version,
            experiment=side.experiment,
            arm=side.arm,
            model=found.model,
            reason=found.reason,
            items=found.items,
        )
        return Response(answer.model_dump_json(), media_type="application/json")

    def out_of_stock(self) -> Out:
        """Return the item_ids of which nothing is left."""
        at, out = self._stock
        if time.monotonic() - at >= STOCK_S:
            out = frozenset(item_id for item_id, pieces in self.state.stock().items() if pieces <= 0)
            self._stock = (time.monotonic(), out)
        return out

    def finder(self, champion: Champion) -> Finder:
        """Return what searches in a bundle; of bundles that serve no more nothing is kept."""
        digest = champion.bundle.digest
        finder = self._finders.get(digest)
        if finder is None:
            held = (self.champions.current, self.champions.previous, self.challenger.champions.current)
            kept = {c.bundle.digest for c in held if c is not None}
            finder = Finder(champion.bundle, self.language)
            self._finders = {d: f for d, f in self._finders.items() if d in kept} | {digest: finder}
        return finder

    def check_k(self, k: int) -> None:
        """Raise ProblemError for a list length out of bounds."""
        if not 1 <= k <= self.serving.max_k:
            raise ProblemError(422, f"k is a list length from 1 to {self.serving.max_k}")

    def _warm(self, champion: Champion) -> None:
        """Let a new bundle answer what was asked last; raises what it raises."""
        champion.shelf.equal("brand", "")
        self.finder(champion).vector("a")
        for rows in list(self.recent):
            user = answers.user_of(champion.bundle, rows)
            if len(user.history.item_idx):
                champion.bundle.model.recommend(user, 1, champion.bundle.info.exclude_seen)

    def _overload(self) -> ProblemError:
        self.meters.shed.inc()
        return ProblemError(503, "too many requests at once; try again in a second", {"Retry-After": "1"})


def unsafe(error: Exception) -> ProblemError:
    """Return the answer to events that could not be written: nobody is told that they are safe."""
    what = "the store is busy or full" if isinstance(error, sqlite3.Error) else "the store failed"
    return ProblemError(503, f"the events were not taken: {what}; send them again", {"Retry-After": "1"})
