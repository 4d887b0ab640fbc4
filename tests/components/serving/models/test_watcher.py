"""Following: the new champion serves once it is good; whatever is broken, the last good one goes on."""

import gc
import json
import time
import weakref
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from components.errors import CarouselError, ContractError
from components.params import Params
from components.serving.metrics import ServiceMetrics
from components.serving.models import watcher as module
from components.serving.models.watcher import ModelWatcher, freeze_gc, validate_bundle
from tests.components.serving.conftest import FakeRegistry, Remake, version


def again(watcher: ModelWatcher) -> ModelWatcher:
    """Return what a restart of the service would hold, before it has asked the registry."""
    other = ModelWatcher(watcher.source, watcher.folder, watcher.poll_s, ServiceMetrics())
    other.load_last()
    return other


def test_first_poll_serves_the_champion(watcher: ModelWatcher, registry: FakeRegistry) -> None:
    assert watcher.current is not None
    assert watcher.current.version == 1
    assert json.loads((watcher.folder / "current.json").read_text())["version"] == 1
    watcher.poll()
    assert registry.fetches == 1


def test_another_champion_replaces_it_and_old_bundles_go(
    watcher: ModelWatcher, registry: FakeRegistry, remake: Remake
) -> None:
    for number in (2, 3, 4):
        assert registry.put(remake(f"b{number}")) == number
        watcher.poll()
        assert watcher.current is not None
        assert watcher.current.version == number
    kept = {p.name for p in watcher.folder.iterdir() if p.is_dir()}
    assert watcher.current.bundle.digest in kept
    assert len(kept) == module.KEPT


def test_rollback_is_followed(watcher: ModelWatcher, registry: FakeRegistry, remake: Remake) -> None:
    registry.put(remake("b2"))
    watcher.poll()
    registry.champion = 1
    watcher.poll()
    assert watcher.current is not None
    assert watcher.current.version == 1


def test_unreachable_registry_and_deleted_champion_change_nothing(
    watcher: ModelWatcher, registry: FakeRegistry
) -> None:
    before = watcher.current
    registry.down = True
    watcher.poll()
    registry.down, registry.champion = False, None
    watcher.poll()
    assert watcher.current is before
    assert watcher.metrics.follow_errors._value.get() == 1


def nan_model(bundle: Path) -> bytes:
    arrays = load_file(bundle / "model/arrays.safetensors")
    return save({k: np.full_like(v, np.nan) if v.dtype == np.float32 else v for k, v in arrays.items()})


def nan_vectors(bundle: Path) -> bytes:
    return save({"embedding": np.full_like(load_file(bundle / "items.safetensors")["embedding"], np.nan)})


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model/arrays.safetensors", nan_model),
        ("model/arrays.safetensors", lambda b: b"no arrays"),
        ("model/model.json", lambda b: b'{"name": "fancy", "format": 1}'),
        ("fallback/model.json", lambda b: b"{"),
        ("items.parquet", lambda b: b"no parquet"),
        ("items.safetensors", nan_vectors),
        ("info.json", lambda b: json.dumps(json.loads((b / "info.json").read_text()) | {"n_items": 7}).encode()),
        ("info.json", lambda b: json.dumps(json.loads((b / "info.json").read_text()) | {"weights": {}}).encode()),
    ],
)
def test_a_bad_bundle_never_replaces_a_good_one(
    watcher: ModelWatcher, registry: FakeRegistry, remake: Remake, bundle: Path, file: str, content: object
) -> None:
    before = watcher.current
    registry.put(remake("bad", {file: content(bundle)}))  # type: ignore[operator]
    watcher.poll()
    assert watcher.current is before
    assert again(watcher).current is not None
    registry.put(remake("good"))
    watcher.poll()
    assert watcher.current is not None
    assert watcher.current.version == 3


def test_a_tampered_bundle_is_refused(watcher: ModelWatcher, registry: FakeRegistry, remake: Remake) -> None:
    before = watcher.current
    folder = remake("tampered")
    registry.put(folder)
    file = folder / "model/arrays.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    watcher.poll()
    assert watcher.current is before


def test_a_digest_that_is_a_path_is_refused(
    watcher: ModelWatcher, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = watcher.current
    monkeypatch.setattr(registry, "alias", lambda name: version(9, "../../outside"))
    watcher.poll()
    assert watcher.current is before
    assert registry.fetches == 1


def test_a_refused_bundle_is_not_fetched_at_every_poll(
    watcher: ModelWatcher, registry: FakeRegistry, remake: Remake, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    watcher.poll_s = 0.05
    registry.put(remake("bad", {"model/model.json": b"{"}))
    for _ in range(5):
        watcher.poll()
    assert registry.fetches == 2
    now[0] += 0.11
    watcher.poll()
    assert registry.fetches == 3


def test_starts_without_the_registry(watcher: ModelWatcher, registry: FakeRegistry) -> None:
    registry.down = True
    other = again(watcher)
    assert other.current is not None
    assert other.current.version == 1


@pytest.mark.parametrize("damage", ["no file", "no json", "no bundle", "another bundle", "path"])
def test_starts_empty_where_the_disk_is_damaged(watcher: ModelWatcher, registry: FakeRegistry, damage: str) -> None:
    file = watcher.folder / "current.json"
    digest = json.loads(file.read_text())["digest"]
    match damage:
        case "no file":
            file.unlink()
        case "no json":
            file.write_text("{")
        case "no bundle":
            (watcher.folder / digest / "manifest.json").unlink()
        case "another bundle":
            (watcher.folder / digest).rename(watcher.folder / ("0" * 64))
            file.write_text(file.read_text().replace(digest, "0" * 64))
        case "path":
            file.write_text(json.dumps({"version": 1, "digest": "../bundle", "model": "ease"}))
    other = again(watcher)
    assert other.current is None
    other.poll()
    assert other.current is not None or damage == "no bundle"  # Shelf.fetch keeps what is there, the registry does not


def test_follows_in_the_background_and_stops(
    registry: FakeRegistry, tmp_path: Path, remake: Remake, params: Params
) -> None:
    watcher = ModelWatcher(registry, tmp_path / "followed", params.serving.poll_s, ServiceMetrics())
    watcher.start()
    try:
        _wait(watcher, 1)
        registry.put(remake("b2"))
        _wait(watcher, 2)
    finally:
        watcher.stop()
    assert watcher._thread is not None
    assert not watcher._thread.is_alive()


def test_tried_names_the_fault(remake: Remake) -> None:
    with pytest.raises(CarouselError, match="digest"):
        validate_bundle(remake("b2"), "0" * 64)
    folder = remake("b3", weights={})
    with pytest.raises(ContractError, match="no event that teaches"):
        validate_bundle(folder, sha256((folder / "manifest.json").read_bytes()).hexdigest())


def _wait(watcher: ModelWatcher, number: int) -> None:
    deadline = time.monotonic() + 10
    while watcher.current is None or watcher.current.version != number:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_each_bundle_is_warmed_before_it_serves(watcher: ModelWatcher, registry: FakeRegistry, remake: Remake) -> None:
    seen: list[tuple[int, int | None]] = []
    watcher.warm = lambda new: seen.append((new.version, watcher.current.version if watcher.current else None))
    registry.put(remake("next"))
    watcher.poll()
    assert seen == [(2, 1)]


def test_so_is_the_last_one_on_disk(watcher: ModelWatcher, registry: FakeRegistry) -> None:
    seen: list[tuple[int, bool]] = []
    other = ModelWatcher(registry, watcher.folder, watcher.poll_s, ServiceMetrics())
    other.warm = lambda new: seen.append((new.version, other.current is None))
    other.load_last()
    assert seen == [(1, True)]


def test_what_lives_long_is_out_of_the_collectors_sight_and_goes_when_nothing_holds_it(
    watcher: ModelWatcher, registry: FakeRegistry, remake: Remake
) -> None:
    watcher.on_swap = freeze_gc
    assert watcher.current is not None
    first = watcher.current.bundle
    first.__dict__["circle"] = [first]  # such as a cache of a method
    gone = weakref.ref(first)
    del first
    for name in ("b2", "b3"):  # the one before stays for a rollback
        registry.put(remake(name))
        watcher.poll()
        assert gc.get_freeze_count() > 0
    assert gone() is None
    gc.unfreeze()
