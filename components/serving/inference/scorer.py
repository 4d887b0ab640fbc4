"""Scoring in batches: waiting requests are scored as one batch, and equal histories only once."""

from __future__ import annotations

import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np

from components.contracts import BoolArray, FloatArray, IntArray, Ranked, Recommender, Users
from components.release.bundle import Bundle
from components.serving.inference.errors import OverloadError

log = logging.getLogger("serving")
FAILED, NO_HISTORY = "the model failed", "no history"
T = TypeVar("T")
CacheKey = tuple[str, bytes, bytes, bytes]  # digest of the bundle, and the history


class RenderedItems(NamedTuple):
    """The products of a list as JSON, their ids, and the merchandising rule that moved each; None: none was moved."""

    json: bytes
    item_ids: Sequence[str]
    rules: Sequence[str | None] | None = None


@dataclass(frozen=True)
class ScoredList:
    """The best products for one user, best first, and the model that scored them."""

    items: IntArray  # (n,) item_idx
    scores: FloatArray  # (n,)
    model: str
    reason: str | None  # why the fallback scored them; None: the model did
    exhaustive: bool  # whether no further product could be listed
    rendered: dict[int, RenderedItems] = field(default_factory=dict, compare=False)  # list length -> its JSON
    ruled: dict[tuple[int, str], RenderedItems] = field(default_factory=dict, compare=False)  # and version of the rules

    def filter(self, mask: BoolArray) -> ScoredList:
        """Return the same list without the products that the (n_items + 1,) mask excludes."""
        allowed = mask[self.items]
        return ScoredList(self.items[allowed], self.scores[allowed], self.model, self.reason, self.exhaustive)


Job = tuple[CacheKey, Bundle, Users, Future[ScoredList]]


class Scorer:
    """One thread that scores all waiting requests, at most `max_batch_size` at once; a process has one scorer."""

    def __init__(self, list_length: int, max_batch_size: int, max_queue: int, cache_size: int) -> None:
        """list_length: of the lists; cache_size: most lists in the LRU cache, of 8 bytes x list_length each."""
        self.list_length, self.max_batch_size = list_length, max_batch_size
        self.max_queue, self.cache_size = max_queue, cache_size
        self._cache: OrderedDict[CacheKey, ScoredList] = OrderedDict()
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._pending: dict[CacheKey, Future[ScoredList]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="scorer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Score all waiting requests, then end the thread."""
        self._queue.put(None)
        if self._thread:
            self._thread.join()

    def submit(self, bundle: Bundle, user: Users) -> ScoredList | Future[ScoredList]:
        """Return the list of one user from the cache, else its future; raises OverloadError where the queue is full."""
        rows = user.history
        key = (bundle.digest, rows.item_idx.tobytes(), rows.event.tobytes(), rows.timestamp.tobytes())
        with self._lock:
            cached = self._cache.get(key)
            if cached is not None:
                self._cache.move_to_end(key)
                return cached
            pending = self._pending.get(key)
            if pending is not None:
                return pending
            if len(self._pending) >= self.max_queue:
                raise OverloadError
            future = self._pending[key] = Future[ScoredList]()
        self._queue.put((key, bundle, user, future))
        return future

    def _run(self) -> None:
        is_running = True
        while is_running:
            batch = [self._queue.get()]
            while len(batch) < self.max_batch_size and not self._queue.empty():
                batch.append(self._queue.get())
            is_running = None not in batch
            jobs = [job for job in batch if job is not None]
            for bundle in {id(job[1]): job[1] for job in jobs}.values():
                self._score(bundle, [job for job in jobs if job[1] is bundle])

    def _score(self, bundle: Bundle, jobs: list[Job]) -> None:
        """Give each job of this bundle its list, or the error where the fallback failed, too."""
        outcome = _attempt(lambda: score_users(bundle, [user for _, _, user, _ in jobs], self.list_length))
        lists: Sequence[ScoredList | Exception] = [outcome] * len(jobs) if isinstance(outcome, Exception) else outcome
        with self._lock:
            for (key, _, _, _), scored in zip(jobs, lists, strict=True):
                self._pending.pop(key, None)
                if isinstance(scored, ScoredList) and scored.reason != FAILED:
                    self._cache[key] = scored
            while len(self._cache) > self.cache_size:
                self._cache.popitem(last=False)
        for (_, _, _, future), scored in zip(jobs, lists, strict=True):
            if isinstance(scored, ScoredList):
                future.set_result(scored)
            else:
                future.set_exception(scored)


def score_users(
    bundle: Bundle, users: Sequence[Users], k: int, candidates: BoolArray | None = None
) -> list[ScoredList]:
    """Return each user's list by the bundle's model; by the fallback without a history, or where the model fails.

    Each element of `users` is one user. A user on whom the model fails does not affect the others of the batch.
    """
    warm = [n for n, user in enumerate(users) if len(user.history.item_idx)]
    lists: list[ScoredList | None] = [None] * len(users)
    if warm:
        outcome = _attempt(lambda: _recommend(bundle.model, bundle, [users[n] for n in warm], k, candidates))
        if not isinstance(outcome, Exception):
            for n, scored in zip(warm, outcome, strict=True):
                lists[n] = scored
        elif len(warm) > 1:
            for n in warm:
                lists[n] = score_users(bundle, [users[n]], k, candidates)[0]
        else:
            digest = bundle.digest[:12]
            log.error("the model of bundle %s failed; the fallback answers", digest, exc_info=outcome)
    left = [n for n, scored in enumerate(lists) if scored is None]
    if left:
        scored_lists = _recommend(bundle.fallback, bundle, [users[n] for n in left], k, candidates)
        for n, scored in zip(left, scored_lists, strict=True):
            lists[n] = replace(scored, reason=FAILED if len(users[n].history.item_idx) else NO_HISTORY)
    return [scored for scored in lists if scored is not None]


def _attempt(work: Callable[[], T]) -> T | Exception:
    """Return the result of the work, or its exception."""
    try:
        return work()
    except Exception as error:  # of any type: the thread and the other users must not be affected
        return error


def _recommend(
    model: Recommender, bundle: Bundle, users: Sequence[Users], k: int, candidates: BoolArray | None
) -> list[ScoredList]:
    batch, k_known = Users.concat(users), min(k, bundle.info.n_items)
    ranked: Ranked = model.recommend(batch, k_known, bundle.info.exclude_seen, candidates)
    lists = []
    for items, scores in zip(ranked.items, ranked.scores, strict=True):
        n = int(np.count_nonzero(items))
        exhaustive = n < len(items) or k > len(items)
        lists.append(ScoredList(items[:n].copy(), scores[:n].copy(), model.name, None, exhaustive))
    return lists
