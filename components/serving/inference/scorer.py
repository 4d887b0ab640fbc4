"""Scoring in batches: waiting requests are scored as one batch, and equal histories only once."""

from __future__ import annotations

import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class ScoredBlock:
    """The best products of several users, a row each, best first; item 0 fills a row that ran out of products."""

    items: IntArray  # (n_users, width) item_idx
    scores: FloatArray  # (n_users, width)
    models: list[str]  # (n_users,) that scored the row
    reasons: list[str | None]  # (n_users,) why the fallback did; None: the model did
    is_cut: bool  # whether a full row may leave products out

    @classmethod
    def empty(cls, n_users: int, width: int, is_cut: bool) -> ScoredBlock:
        """Return rows without products."""
        shape = (n_users, width)
        return cls(np.zeros(shape, np.int32), np.zeros(shape, np.float32), [""] * n_users, [None] * n_users, is_cut)

    @property
    def lengths(self) -> IntArray:
        """Return (n_users,) the number of products in each row."""
        found: IntArray = np.count_nonzero(self.items, axis=1).astype(np.int32)
        return found

    def put(self, rows: IntArray, ranked: Ranked, model: str, reasons: Sequence[str | None]) -> None:
        """Set these rows."""
        self.items[rows], self.scores[rows] = ranked.items, ranked.scores
        for row, reason in zip(rows.tolist(), reasons, strict=True):
            self.models[row], self.reasons[row] = model, reason

    def lists(self) -> list[ScoredList]:
        """Return each user's list."""
        rows = zip(self.items, self.scores, self.lengths.tolist(), self.models, self.reasons, strict=True)
        return [
            ScoredList(items[:n].copy(), scores[:n].copy(), model, reason, n < len(items) or not self.is_cut)
            for items, scores, n, model, reason in rows
        ]


def score_users(
    bundle: Bundle, users: Sequence[Users], k: int, candidates: BoolArray | None = None
) -> list[ScoredList]:
    """Return each user's list as `score_block` makes it. Each element of `users` is one user."""
    return score_block(bundle, Users.concat(users), k, candidates).lists() if users else []


def score_block(bundle: Bundle, users: Users, k: int, candidates: BoolArray | None = None) -> ScoredBlock:
    """Return each user's best k by the bundle's model; by the fallback without a history, or where the model fails.

    A user on whom the model fails does not affect the others of the block.
    """
    width = min(k, bundle.info.n_items)
    block = ScoredBlock.empty(len(users), width, is_cut=k <= width)
    has_history = users.history.lengths > 0
    failed = _score_warm(bundle, users, np.flatnonzero(has_history).astype(np.int32), block, candidates)
    left = np.concatenate([np.flatnonzero(~has_history), failed]).astype(np.int32)
    if len(left):
        ranked = _recommend(bundle.fallback, bundle, _take(users, left), width, candidates)
        block.put(left, ranked, bundle.fallback.name, [FAILED if has_history[n] else NO_HISTORY for n in left.tolist()])
    return block


def _score_warm(
    bundle: Bundle, users: Users, rows: IntArray, block: ScoredBlock, candidates: BoolArray | None
) -> list[int]:
    """Set the rows of users with a history; return those on which the model fails."""
    if not len(rows):
        return []
    outcome = _attempt(lambda: _recommend(bundle.model, bundle, _take(users, rows), block.items.shape[1], candidates))
    if not isinstance(outcome, Exception):
        block.put(rows, outcome, bundle.model.name, [None] * len(rows))
        return []
    if len(rows) > 1:
        return [n for row in rows for n in _score_warm(bundle, users, np.array([row], np.int32), block, candidates)]
    log.error("the model of bundle %s failed; the fallback answers", bundle.digest[:12], exc_info=outcome)
    return [int(rows[0])]


def _attempt(work: Callable[[], T]) -> T | Exception:
    """Return the result of the work, or its exception."""
    try:
        return work()
    except Exception as error:  # of any type: the thread and the other users must not be affected
        return error


def _take(users: Users, rows: IntArray) -> Users:
    """Return the users at these rows, without a copy where these are all."""
    return users if len(rows) == len(users) else users.take(rows)


def _recommend(model: Recommender, bundle: Bundle, users: Users, k: int, candidates: BoolArray | None) -> Ranked:
    return model.recommend(users, k, bundle.info.exclude_seen, candidates)
