"""A cached value is read again once it is older than its limit, or invalidated."""

from itertools import count

import pytest

from components.serving.storage import ttl_cache as module
from components.serving.storage.ttl_cache import TtlCached


def test_a_value_is_read_again_once_it_is_old_or_invalidated(monkeypatch: pytest.MonkeyPatch) -> None:
    now, reads = 100.0, count(1)
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    cached = TtlCached(5.0, lambda: next(reads))
    assert (cached(), cached()) == (1, 1)
    now = 104.9
    assert cached() == 1
    now = 105.0
    assert (cached(), cached()) == (2, 2)
    cached.set(9)
    assert cached() == 9
    cached.invalidate()
    assert cached() == 3
