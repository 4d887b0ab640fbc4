"""Test requests: to a bundle before it is promoted, and to the live service afterwards."""

import json
import time
import urllib.request
from urllib.parse import urlsplit

import numpy as np

from components.contracts import Recommender, Users
from components.errors import ReleaseError
from components.ragged import Ragged
from components.redact import redact
from components.release.bundle import Bundle

LIST_LENGTH = 10
WAIT_S = 20.0  # longest wait until the live service, which polls every serving.poll_s, serves the version
POLL_S = 1.0


def smoke_test(bundle: Bundle) -> None:
    """Raise ReleaseError unless model and fallback recommend items to an unknown user and to one with a history."""
    n_items = len(bundle.item_ids) - 1
    if (bundle.info.n_items, bundle.info.model) != (n_items, bundle.model.name):
        raise ReleaseError(
            f"bundle {bundle.digest[:12]}: info.json says {bundle.info.model} on {bundle.info.n_items} items, "
            f"the files hold {bundle.model.name} on {n_items}"
        )
    users = _test_users(n_items, bundle.info.train_end)
    for model in (bundle.model, bundle.fallback):
        _check(model, users, n_items, bundle)


def _check(model: Recommender, users: Users, n_items: int, bundle: Bundle) -> None:
    k = min(LIST_LENGTH, max(1, n_items - 3))
    ranked = model.recommend(users, k, bundle.info.exclude_seen)
    if ranked.items.shape != (len(users), k) or ranked.items.max(initial=0) > n_items:
        raise ReleaseError(f"bundle {bundle.digest[:12]}: {model.name} gave lists of shape {ranked.items.shape}")
    for row in range(len(users)):
        if not ranked.items[row, 0] or not np.isfinite(ranked.scores[row, 0]):
            raise ReleaseError(f"bundle {bundle.digest[:12]}: {model.name} has no list for test user {row}")


def _test_users(n_items: int, now: int) -> Users:
    """Return an unknown user, and a user who bought the first three products."""
    items = np.arange(1, min(3, n_items) + 1, dtype=np.int32)
    n = len(items)
    history = Ragged(
        offsets=np.array([0, 0, n], dtype=np.int64),
        item_idx=items,
        timestamp=np.full(n, now - 1, dtype=np.int64),
        event=np.full(n, 2, dtype=np.int8),
        weight=np.ones(n, dtype=np.float32),
    )
    return Users(np.zeros(2, dtype=np.int32), history, now)


def wait_until_serving(url: str, version: int) -> str:
    """Return a sentence on whether the live service serves the version within WAIT_S."""
    if not url:
        return "live service not asked: CAROUSEL_SERVICE_URL is not set"
    if urlsplit(url).scheme not in ("http", "https"):
        return f"live service not asked: CAROUSEL_SERVICE_URL {redact(url)!r} is not an http address"
    deadline = time.monotonic() + WAIT_S
    while True:
        served = _served_version(f"{url.rstrip('/')}/readyz")
        if served == version:
            return f"live service serves version {version}"
        if time.monotonic() >= deadline:
            return f"live service does NOT serve version {version} after {WAIT_S:g} s: it says {served!r}"
        time.sleep(POLL_S)


def _served_version(url: str) -> object:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310  the scheme is checked above
            return json.loads(reply.read(65_536)).get("version")
    except (OSError, ValueError, AttributeError) as error:
        return f"no answer ({redact(str(error))})"
