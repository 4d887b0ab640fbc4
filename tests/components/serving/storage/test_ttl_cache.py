"""What may be some seconds old."""

from itertools import count

import pytest

from components.serving.storage import ttl_cache as module
from components.serving.storage.ttl_cache import TtlCached


def test_it_is_read_again_once_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now, reads = 100.0, count(1)
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    kept = TtlCached(5.0, lambda: next(reads))
    assert (kept(), kept()) == (1, 1)
    now = 104.9
    assert kept() == 1
    now = 105.0
    assert (kept(), kept()) == (2, 2)
    kept.set(9)
    assert kept() == 9
    kept.invalidate()
    assert kept() == 3
