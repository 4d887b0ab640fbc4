"""Slows wrong tokens: after some failures, attempts are judged one after another, and surplus ones are not judged."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

CLIENT_BURST, CLIENT_INTERVAL_S = 10, 1.0  # failures at once, and seconds per further attempt, of one address
OVERALL_BURST, OVERALL_INTERVAL_S = 30, 1.0  # of all addresses that have never sent the right token
MAX_WAITING = 5  # attempts of one lane
MAX_CLIENTS, MAX_TRUSTED = 1000, 100  # addresses that are remembered


class Lane:
    """Admits attempts at once while few have failed, then one per interval, the newest first.

    Newest first, so that somebody who knows the token gets through as soon as a flood of wrong ones ends.
    """

    def __init__(self, burst: int, interval_s: float) -> None:
        self.interval_s = interval_s
        self.tolerance_s = burst * interval_s
        self.waiting: deque[asyncio.Future[bool]] = deque()
        self._paid_at = 0.0  # when the interval of every failure will be over (generic cell rate algorithm)
        self._timer: asyncio.TimerHandle | None = None

    async def admit(self) -> bool:
        """Return True when the attempt may be judged; False where newer ones took its place."""
        if not self.is_slow():
            return True
        if len(self.waiting) >= MAX_WAITING:
            _answer(self.waiting.popleft(), False)
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        self._start_timer()
        try:
            return await turn
        finally:
            if turn in self.waiting:  # cancelled: the client has gone
                self.waiting.remove(turn)

    def is_slow(self) -> bool:
        """Return whether an attempt would wait now."""
        return bool(self.waiting) or self._delay() > 0

    def add_failure(self) -> None:
        """Count a wrong token."""
        self._paid_at = max(self._paid_at, asyncio.get_running_loop().time()) + self.interval_s

    def _delay(self) -> float:
        """Return seconds until the next attempt may be judged."""
        return self._paid_at - self.tolerance_s - asyncio.get_running_loop().time()

    def _start_timer(self) -> None:
        if self._timer is None and self.waiting:
            self._timer = asyncio.get_running_loop().call_later(max(self._delay(), 0), self._admit_newest)

    def _admit_newest(self) -> None:
        self._timer = None
        if self.waiting:
            _answer(self.waiting.pop(), True)
            asyncio.get_running_loop().call_soon(self._start_timer)  # after the attempt was judged


class AttemptLimiter:
    """The lanes of all clients. An address that has sent the right token is not slowed by other addresses."""

    def __init__(self) -> None:
        self.overall = Lane(OVERALL_BURST, OVERALL_INTERVAL_S)
        self._lanes: OrderedDict[str, Lane] = OrderedDict()
        self._trusted: OrderedDict[str, None] = OrderedDict()

    async def admit(self, client: str) -> bool:
        """Return whether an attempt of the client may be judged, now or after a wait; False: too many wait."""
        if not await self._lane(client).admit():
            return False
        return client in self._trusted or await self.overall.admit()

    def is_slowed(self, client: str) -> bool:
        """Return whether an attempt of the client would wait now."""
        return self._lane(client).is_slow() or (client not in self._trusted and self.overall.is_slow())

    def succeed(self, client: str) -> None:
        """Forget the failures of the client: its token was right."""
        self._lanes.pop(client, None)
        self._trusted[client] = None
        self._trusted.move_to_end(client)
        if len(self._trusted) > MAX_TRUSTED:
            self._trusted.popitem(last=False)

    def fail(self, client: str) -> None:
        """Count a wrong token of the client."""
        self._lane(client).add_failure()
        if client not in self._trusted:
            self.overall.add_failure()

    def _lane(self, client: str) -> Lane:
        lane = self._lanes.get(client)
        if lane is None:
            lane = self._lanes[client] = Lane(CLIENT_BURST, CLIENT_INTERVAL_S)
        self._lanes.move_to_end(client)
        if len(self._lanes) > MAX_CLIENTS:
            self._lanes.popitem(last=False)  # its waiting attempts are still judged
        return lane


def _answer(turn: asyncio.Future[bool], may: bool) -> None:
    if not turn.done():  # done: the client has gone
        turn.set_result(may)
