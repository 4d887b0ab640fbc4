"""Wrong tokens are slowed: per address and in all, in bounded memory, and those who know the token get through."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from components.serving.http import attempts as module
from components.serving.http.attempts import AttemptLimiter, Lane

BURST, OVERALL, WAITING = module.CLIENT_BURST, module.OVERALL_BURST, module.MAX_WAITING


class Attacker:
    """Sends wrong tokens; counts which were judged."""

    def __init__(self, limiter: AttemptLimiter) -> None:
        self.limiter, self.judged, self.refused = limiter, 0, 0

    async def guess(self, client: str) -> None:
        if await self.limiter.admit(client):
            self.judged += 1
            self.limiter.fail(client)
        else:
            self.refused += 1


async def flood(attacker: Attacker, n: int, client: Callable[[int], str]) -> list[asyncio.Task[None]]:
    """Start n guesses; return those that wait."""
    tasks = [asyncio.create_task(attacker.guess(client(k))) for k in range(n)]
    for _ in range(5):
        await asyncio.sleep(0)
    return [task for task in tasks if not task.done()]


def run(main: Awaitable[Any], monkeypatch: pytest.MonkeyPatch, interval_s: float = 3600.0) -> None:
    monkeypatch.setattr(module, "CLIENT_INTERVAL_S", interval_s)
    monkeypatch.setattr(module, "OVERALL_INTERVAL_S", interval_s)
    asyncio.run(main)  # type: ignore[arg-type]


def test_one_address_is_slowed_after_its_burst_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        limiter = AttemptLimiter()
        attacker = Attacker(limiter)
        waiting = await flood(attacker, 500, lambda _: "a")
        assert (attacker.judged, len(waiting), attacker.refused) == (BURST + 1, WAITING, 500 - BURST - 1 - WAITING)
        assert limiter.is_slowed("a")
        assert not limiter.is_slowed("b")
        assert await limiter.admit("b")
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(main(), monkeypatch)


def test_many_addresses_are_slowed_together_but_not_one_that_knew_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        limiter = AttemptLimiter()
        limiter.succeed("admin")
        attacker = Attacker(limiter)
        waiting = await flood(attacker, 3000, lambda n: f"a{n}")
        assert attacker.judged == OVERALL + 1
        assert len(waiting) == WAITING
        assert not limiter.is_slowed("admin")
        assert await limiter.admit("admin")
        assert len(limiter._lanes) <= module.MAX_CLIENTS
        for n in range(1000):
            limiter.succeed(f"t{n}")
        assert len(limiter._trusted) <= module.MAX_TRUSTED
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(main(), monkeypatch)


def test_the_right_token_gets_through_first_when_the_flood_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        limiter = AttemptLimiter()
        attacker = Attacker(limiter)
        waiting = await flood(attacker, 200, lambda _: "a")
        judged = attacker.judged
        assert await limiter.admit("a")  # from the address of the flood, the newest
        assert attacker.judged == judged
        limiter.succeed("a")
        assert not limiter._lane("a").is_slow()  # its failures are forgotten
        await asyncio.gather(*waiting)  # the others are judged in their turn
        assert attacker.judged == judged + WAITING - 1

    run(main(), monkeypatch, interval_s=0.01)


def test_waiting_attempts_are_judged_one_per_interval() -> None:
    async def main() -> None:
        lane, loop = Lane(2, 0.05), asyncio.get_running_loop()
        started = loop.time()
        for _ in range(8):
            assert await lane.admit()
            lane.add_failure()
        assert loop.time() - started >= 5 * 0.05  # three at once, then one per interval

    asyncio.run(main())


def test_an_attempt_whose_client_has_gone_leaves_no_trace() -> None:
    async def main() -> None:
        lane = Lane(0, 0.02)
        lane.add_failure()
        task = asyncio.create_task(lane.admit())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not lane.waiting
        assert await lane.admit()

    asyncio.run(main())
