"""A new champion serves once it is validated; after any failure, the last good one keeps serving."""

import gc
import json
import weakref
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from components.errors import CarouselError, ContractError
from components.params import Params
from components.serving.metrics import ServiceMetrics
from components.serving.models import watcher as module
from components.serving.models.watcher import ModelWatcher, freeze_gc, validate_bundle
from tests.components.serving.support import FakeRegistry, Remake, version


def restart(watcher: ModelWatcher) -> ModelWatcher:
    """Return the watcher of a restarted service, before its first poll."""
    other = ModelWatcher(watcher.source, watcher.folder, watcher.poll_s, ServiceMetrics())
    other.load_last()
    return other


def test_first_poll_serves_the_champion(watcher: ModelWatcher, registry: FakeRegistry) -> None:
    assert watcher.current is not None
    assert watcher.current.version == 1
    assert json.loads((watcher.folder / "current.json").read_text())["version"] == 1
    watcher.poll()
    assert registry.fetches == 1


def test_a_new_champion_replaces_the_old_and_old_bundles_are_deleted(
    watcher: ModelWatcher, registry: FakeRegistry, remake: Remake
) -> None:
    for number in (2, 3, 4):
        assert registry.put(remake(f"b{number}")) == number
        watcher.poll()
        assert watcher.current is not None
        assert watcher.current.version == number
    on_disk = {p.name for p in watcher.folder.iterdir() if p.is_dir()}
    assert watcher.current.bundle.digest in on_disk
    assert len(on_disk) == module.BUNDLES_ON_DISK


def test_rollback_is_followed(watcher: ModelWatcher, registry: FakeRegistry, remake: Remake) -> None:
    registry.put(remake("b2"))
    watcher.poll()
    registry.champion = 1
    watcher.poll()
    assert watcher.current is not None
    assert watcher.current.version == 1


def test_an_unreachable_registry_and_a_deleted_champion_change_nothing(
    watcher: ModelWatcher, registry: FakeRegistry
) -> None:
    before = watcher.current
    registry.down = True
    watcher.poll()
    registry.down, registry.champion = False, None
    watcher.poll()
    assert watcher.current is before
    assert watcher.metrics.model_poll_errors._value.get() == 1


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
    assert restart(watcher).current is not None
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
    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    watcher.poll_s = 0.05
    registry.put(remake("bad", {"model/model.json": b"{"}))
    for _ in range(5):
        watcher.poll()
    assert registry.fetches == 2
    now[0] = 0.11
    watcher.poll()
    assert registry.fetches == 3


def test_starts_without_the_registry(watcher: ModelWatcher, registry: FakeRegistry) -> None:
    registry.down = True
    other = restart(watcher)
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
    other = restart(watcher)
    assert other.current is None
    other.poll()
    assert other.current is not None or damage == "no bundle"  # FakeRegistry.fetch does not repair a folder that exists


def test_polls_in_the_background_and_stops(
    registry: FakeRegistry, tmp_path: Path, remake: Remake, params: Params
) -> None:
    watcher = ModelWatcher(registry, tmp_path / "followed", params.serving.poll_s, ServiceMetrics())
    versions: SimpleQueue[int] = SimpleQueue()
    watcher.on_swap = lambda: versions.put(watcher.current.version if watcher.current else 0)
    watcher.start()
    try:
        assert versions.get(timeout=60) == 1
        registry.put(remake("b2"))
        assert versions.get(timeout=60) == 2
    finally:
        watcher.stop()
    assert watcher._thread is not None
    assert not watcher._thread.is_alive()


def test_validation_names_the_fault(remake: Remake) -> None:
    with pytest.raises(CarouselError, match="digest"):
        validate_bundle(remake("b2"), "0" * 64)
    folder = remake("b3", weights={})
    with pytest.raises(ContractError, match="gives no event a weight"):
        validate_bundle(folder, sha256((folder / "manifest.json").read_bytes()).hexdigest())


def test_each_model_is_warmed_up_before_it_serves(
    watcher: ModelWatcher, registry: FakeRegistry, remake: Remake
) -> None:
    seen: list[tuple[int, int | None]] = []
    watcher.warm_up = lambda new: seen.append((new.version, watcher.current.version if watcher.current else None))
    registry.put(remake("next"))
    watcher.poll()
    assert seen == [(2, 1)]


def test_the_last_bundle_on_disk_is_warmed_up_too(watcher: ModelWatcher, registry: FakeRegistry) -> None:
    seen: list[tuple[int, bool]] = []
    other = ModelWatcher(registry, watcher.folder, watcher.poll_s, ServiceMetrics())
    other.warm_up = lambda new: seen.append((new.version, other.current is None))
    other.load_last()
    assert seen == [(1, True)]


def test_models_are_frozen_for_the_garbage_collector_and_freed_when_replaced(
    watcher: ModelWatcher, registry: FakeRegistry, remake: Remake
) -> None:
    watcher.on_swap = freeze_gc
    assert watcher.current is not None
    first = watcher.current.bundle
    first.__dict__["cycle"] = [first]  # such as an lru_cache of a method
    reference = weakref.ref(first)
    del first
    for name in ("b2", "b3"):  # the previous one stays for `revert`
        registry.put(remake(name))
        watcher.poll()
        assert gc.get_freeze_count() > 0
    assert reference() is None
    gc.unfreeze()
