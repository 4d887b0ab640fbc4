"""A request that is repeated with its key counts once: in both stores, after failures and restarts, in any process."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.serving.storage.commit_queue import Batch
from components.serving.storage.event_store import EventStore, StoredEvent
from components.serving.storage.event_store_postgres import PostgresEventStore
from components.serving.storage.idempotency import Claim, KeyReusedError, judge_claims, make_claim
from components.serving.storage.open_event_store import open_event_store, warn_of_another_secret
from components.times import DAY_US, now_micros
from tests.components.serving.support import ROOT

from .support import KEY, WRITER, Open, make_events


def items(store: EventStore) -> list[str]:
    """Return the item of each stored event."""
    return sorted(e.item_id for user in store.find_users("", 100) for e in store.history(user, 10**6))


def test_only_the_first_request_with_a_key_is_stored() -> None:
    a, again, other, b = Claim(b"a", b"1", 5), Claim(b"a", b"1", 6), Claim(b"a", b"2", 7), Claim(b"b", b"1", 8)
    inserted: list[Claim] = []

    def insert(claims: Sequence[Claim]) -> Mapping[bytes, bytes]:
        inserted.extend(claims)
        return {}

    found = judge_claims([b, None, a, again, other], insert)
    assert inserted == [a, b]  # sorted: two writers wait for each other in one order
    assert found[:4] == [None, None, None, 0]
    assert isinstance(found[4], KeyReusedError)
    found = judge_claims([other, a], lambda claims: {b"a": b"1"})  # stored by an earlier commit
    assert isinstance(found[0], KeyReusedError)
    assert found[1] == 0


def test_a_claim_depends_on_key_body_and_secret_and_tells_none() -> None:
    claim = make_claim(KEY, "order-of-ann", b"ann", 3)
    assert claim == make_claim(KEY, "order-of-ann", b"ann", 3)
    assert claim.key != make_claim(KEY, "order-of-bob", b"ann", 3).key
    assert claim.digest != make_claim(KEY, "order-of-ann", b"bob", 3).digest
    other = make_claim(b"x" + KEY, "order-of-ann", b"ann", 3)
    assert not {claim.key, claim.digest} & {other.key, other.digest}
    assert len(claim.key) == len(claim.digest) == 16


def test_a_repeated_request_stores_nothing_in_any_process(opened: Open) -> None:
    one, other = opened(), opened()
    assert one.put(make_events(1, 2), "k", b"body").result() == 2
    assert one.put(make_events(3, 4), "k", b"body").result() == 0  # the times differ, as those of a retry do
    assert other.put(make_events(5, 6), "k", b"body").result() == 0
    with pytest.raises(KeyReusedError, match="used before with another body; expected a new key"):
        other.put(make_events(7), "k", b"another").result()
    assert other.put(make_events(8), "l", b"body").result() == 1
    one.close()
    other.close()
    again = opened()
    assert again.put(make_events(9), "k", b"body").result() == 0
    assert items(again) == ["i1", "i2", "i8"]


def test_repetitions_in_one_commit_count_once(opened: Open) -> None:
    store = opened()
    bodies = [("k", b"1"), ("k", b"1"), ("l", b"1"), ("k", b"2")]
    batches = [Batch([make_events(n)[0].row()], make_claim(KEY, *kb, n)) for n, kb in enumerate(bodies)]
    assert store._commit([*batches[:3], Batch([make_events(7)[0].row()])]) == [1, 0, 1, 1]
    refused, stored = store._commit([batches[3], Batch([make_events(8)[0].row()])])
    assert isinstance(refused, KeyReusedError)
    assert stored == 1
    assert items(store) == ["i0", "i2", "i7", "i8"]


def test_processes_that_repeat_requests_at_once_count_them_once(opened: Open) -> None:
    stores = [opened(), opened()]
    assert [items(store) for store in stores] == [[], []]  # the tables are made

    def send(n: int) -> int:
        events = [StoredEvent("ann", 1000 * n + k, f"i{n % 50}", "view") for k in range(3)]
        return stores[n % 2].put(events, f"key-{n % 50}", b"body").result()

    numbers = [n + 50 * k for n in range(50) for k in (0, 1, 2, 3)]
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, numbers)) == 150
    assert items(stores[0]) == sorted(f"i{n}" for n in range(50) for _ in range(3))


def test_a_killed_process_whose_requests_are_repeated_counts_each_once(
    url: str | None, opened: Open, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path), url or "", "0", "with keys"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(100):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        n_sent = 100 + len(process.stdout.read().split()) + 2  # those of which nothing is known, too
    store = opened()
    for n in range(n_sent):
        store.put([StoredEvent(f"u{n % 7}", now_micros(), f"i{n}", "view")], f"key-{n}", b"%d" % n).result()
    assert items(store) == sorted(f"i{n}" for n in range(n_sent))


def test_a_request_that_failed_may_be_repeated(opened: Open) -> None:
    store = opened()
    with pytest.raises(Exception, match=r"too large|out of range|overflow"):
        store.put(make_events(1, 2**70), "k", b"body").result()
    assert store.put(make_events(1, 2), "k", b"body").result() == 2


def test_keys_are_removed_with_the_events_of_their_time(opened: Open) -> None:
    store, now = opened(), now_micros()
    store._commit([Batch([], make_claim(store._key, "old", b"", now - 11 * DAY_US))])
    store.put(make_events(now - 1, now), "new", b"").result()
    store.prune(10, now, 0.5)
    assert store.put(make_events(now + 1), "new", b"").result() == 0
    assert store.put(make_events(now + 1), "old", b"").result() == 1


def test_a_store_without_keys_gets_them(url: str | None, opened: Open, tmp_path: Path) -> None:
    before = opened()
    before.put(make_events(1)).result()
    before._transact(lambda transaction: transaction.execute("DROP TABLE idempotency_keys"))
    before.close()
    store = opened()
    assert store.put(make_events(2), "k", b"body").result() == 1
    assert opened().put(make_events(3), "k", b"body").result() == 0
    assert items(store) == ["i1", "i2"]


def test_machines_with_different_secrets_are_logged(
    opened: Open, url: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_another_secret(opened())
    warn_of_another_secret(opened())
    assert "CAROUSEL_ERASURE_KEY" not in caplog.text
    other = open_event_store(url, tmp_path, "shop", secret="another secret of 32 characters or more")
    warn_of_another_secret(other)
    other.close()
    assert "another CAROUSEL_ERASURE_KEY before; expected the same on all machines" in caplog.text


def test_neither_key_nor_body_is_in_the_file(tmp_path: Path) -> None:
    store = open_event_store(None, tmp_path / "serving", "shop")
    assert not isinstance(store, PostgresEventStore)
    store.put(make_events(1), "cart-of-ann-q7x9", b'{"user_id": "ann-q7x9"}').result()
    store.close()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and b"q7x9" in path.read_bytes()] == []
