"""Lists for whoever waits: requests that wait together are scored together, and the same history is scored once."""

from __future__ import annotations

import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from components.contracts import BoolArray, FloatArray, IntArray, Ranked, Recommender, Users
from components.release.bundle import Bundle

log = logging.getLogger("serving")
FAILED, NO_HISTORY = "the model failed", "no history"
Key = tuple[str, bytes, bytes, bytes]
Rendered = tuple[bytes, tuple[str, ...]]  # a list as JSON, and the item_ids in it


@dataclass(frozen=True)
class ScoredList:
    """The best products for one user, best first; and which model said so."""

    items: IntArray  # (n,)
    scores: FloatArray  # (n,)
    model: str
    reason: str | None  # why it was the fallback
    whole: bool  # whether no further product could be listed
    rendered: dict[int, Rendered] = field(default_factory=dict, compare=False)  # by list length, as it was sent

    def within(self, mask: BoolArray) -> ScoredList:
        """Return the same list without what the (n_items + 1,) mask bars."""
        kept = mask[self.items]
        return ScoredList(self.items[kept], self.scores[kept], self.model, self.reason, self.whole)


Waiting = tuple[Key, Bundle, Users, Future[ScoredList]]


class OverloadError(Exception):
    """Too many wait already."""


class Scorer:
    """One thread that scores all who wait, at most `together` at once; one process has one."""

    def __init__(self, keep: int, together: int, max_waiting: int, remembered: int) -> None:
        """keep: length of the lists; remembered: lists that are kept, newest use first (8 bytes x keep each)."""
        self.keep, self.together, self.max_waiting, self.remembered = keep, together, max_waiting, remembered
        self._known: OrderedDict[Key, ScoredList] = OrderedDict()
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._waiting: dict[Key, Future[ScoredList]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to score."""
        self._thread = threading.Thread(target=self._score, name="scorer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End when all who wait have their lists."""
        self._queue.put(None)
        if self._thread:
            self._thread.join()

    def best(self, bundle: Bundle, user: Users) -> ScoredList | Future[ScoredList]:
        """Return the list of one user if it is known, else what will be it; raises OverloadError."""
        rows = user.history
        key = (bundle.digest, rows.item_idx.tobytes(), rows.event.tobytes(), rows.timestamp.tobytes())
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
            same = self._waiting.get(key)
            if same is not None:
                return same
            if len(self._waiting) >= self.max_waiting:
                raise OverloadError
            coming = self._waiting[key] = Future[ScoredList]()
        self._queue.put((key, bundle, user, coming))
        return coming

    def _score(self) -> None:
        going = True
        while going:
            batch = [self._queue.get()]
            while len(batch) < self.together and not self._queue.empty():
                batch.append(self._queue.get())
            going = None not in batch
            asked = [one for one in batch if one is not None]
            for bundle in {id(one[1]): one[1] for one in asked}.values():
                self._serve(bundle, [one for one in asked if one[1] is bundle])

    def _serve(self, bundle: Bundle, asked: list[Waiting]) -> None:
        """Give each who waits for this bundle a list, or the error that even the fallback raised."""
        lists: Sequence[ScoredList | Exception]
        try:
            lists = best_of(bundle, [user for _, _, user, _ in asked], self.keep)
        except Exception as error:
            lists = [error] * len(asked)
        with self._lock:
            for (key, _, _, _), found in zip(asked, lists, strict=True):
                self._waiting.pop(key, None)
                if isinstance(found, ScoredList) and found.reason != FAILED:
                    self._known[key] = found
            while len(self._known) > self.remembered:
                self._known.popitem(last=False)
        for (_, _, _, coming), found in zip(asked, lists, strict=True):
            if isinstance(found, ScoredList):
                coming.set_result(found)
            else:
                coming.set_exception(found)


def best_of(bundle: Bundle, users: Sequence[Users], k: int, candidates: BoolArray | None = None) -> list[ScoredList]:
    """Return each user's list by the bundle's model; by the fallback for who has no history, or where the model fails.

    Each element of `users` is one user. A user on whom the model fails does not take the others along.
    """
    own = [n for n, user in enumerate(users) if len(user.history.item_idx)]
    found: list[ScoredList | None] = [None] * len(users)
    if own:
        try:
            for n, best in zip(own, _lists(bundle.model, bundle, [users[n] for n in own], k, candidates), strict=True):
                found[n] = best
        except Exception:  # whatever a model raises, the visitor gets a list
            if len(own) > 1:
                for n in own:
                    found[n] = best_of(bundle, [users[n]], k, candidates)[0]
            else:
                log.exception("the model of bundle %s failed; the fallback answers", bundle.digest[:12])
    left = [n for n, best in enumerate(found) if best is None]
    if left:
        for n, best in zip(left, _lists(bundle.fallback, bundle, [users[n] for n in left], k, candidates), strict=True):
            reason = FAILED if len(users[n].history.item_idx) else NO_HISTORY
            found[n] = ScoredList(best.items, best.scores, best.model, reason, best.whole)
    return [best for best in found if best is not None]


def _lists(
    model: Recommender, bundle: Bundle, users: Sequence[Users], k: int, candidates: BoolArray | None
) -> list[ScoredList]:
    everybody, k_known = Users.concat(users), min(k, bundle.info.n_items)
    ranked: Ranked = model.recommend(everybody, k_known, bundle.info.exclude_seen, candidates)
    lists = []
    for items, scores in zip(ranked.items, ranked.scores, strict=True):
        n = int(np.count_nonzero(items))
        lists.append(
            ScoredList(items[:n].copy(), scores[:n].copy(), model.name, None, n < len(items) or k > len(items))
        )
    return lists
