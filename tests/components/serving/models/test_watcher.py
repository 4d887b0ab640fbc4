"""Following: the new champion serves once it is good; whatever is broken, the last good one goes on."""

import gc
import json
import time
import weakref
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from components.errors import CarouselError, ContractError
from components.params import Params
from components.serving.metrics import Meters
from components.serving.models import watcher as module
from components.serving.models.watcher import Champions, settle, tried
from tests.components.serving.conftest import Remake, Shelf, version


def again(champions: Champions) -> Champions:
    """Return what a restart of the service would hold, before it has asked the registry."""
    other = Champions(champions.source, champions.folder, champions.poll_s, Meters())
    other.load_last()
    return other


def test_first_poll_serves_the_champion(champions: Champions, shelf: Shelf) -> None:
    assert champions.current is not None
    assert champions.current.version == 1
    assert json.loads((champions.folder / "current.json").read_text())["version"] == 1
    champions.poll()
    assert shelf.fetches == 1


def test_another_champion_replaces_it_and_old_bundles_go(champions: Champions, shelf: Shelf, remake: Remake) -> None:
    for number in (2, 3, 4):
        assert shelf.put(remake(f"b{number}")) == number
        champions.poll()
        assert champions.current is not None
        assert champions.current.version == number
    kept = {p.name for p in champions.folder.iterdir() if p.is_dir()}
    assert champions.current.bundle.digest in kept
    assert len(kept) == module.KEPT


def test_rollback_is_followed(champions: Champions, shelf: Shelf, remake: Remake) -> None:
    shelf.put(remake("b2"))
    champions.poll()
    shelf.champion = 1
    champions.poll()
    assert champions.current is not None
    assert champions.current.version == 1


def test_unreachable_registry_and_deleted_champion_change_nothing(champions: Champions, shelf: Shelf) -> None:
    before = champions.current
    shelf.down = True
    champions.poll()
    shelf.down, shelf.champion = False, None
    champions.poll()
    assert champions.current is before
    assert champions.meters.follow_errors._value.get() == 1


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
    champions: Champions, shelf: Shelf, remake: Remake, bundle: Path, file: str, content: object
) -> None:
    before = champions.current
    shelf.put(remake("bad", {file: content(bundle)}))  # type: ignore[operator]
    champions.poll()
    assert champions.current is before
    assert again(champions).current is not None
    shelf.put(remake("good"))
    champions.poll()
    assert champions.current is not None
    assert champions.current.version == 3


def test_a_tampered_bundle_is_refused(champions: Champions, shelf: Shelf, remake: Remake) -> None:
    before = champions.current
    folder = remake("tampered")
    shelf.put(folder)
    file = folder / "model/arrays.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    champions.poll()
    assert champions.current is before


def test_a_digest_that_is_a_path_is_refused(
    champions: Champions, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = champions.current
    monkeypatch.setattr(shelf, "alias", lambda name: version(9, "../../outside"))
    champions.poll()
    assert champions.current is before
    assert shelf.fetches == 1


def test_a_refused_bundle_is_not_fetched_at_every_poll(champions: Champions, shelf: Shelf, remake: Remake) -> None:
    champions.poll_s = 0.05
    shelf.put(remake("bad", {"model/model.json": b"{"}))
    for _ in range(5):
        champions.poll()
    assert shelf.fetches == 2
    time.sleep(0.11)
    champions.poll()
    assert shelf.fetches == 3


def test_starts_without_the_registry(champions: Champions, shelf: Shelf) -> None:
    shelf.down = True
    other = again(champions)
    assert other.current is not None
    assert other.current.version == 1


@pytest.mark.parametrize("damage", ["no file", "no json", "no bundle", "another bundle", "path"])
def test_starts_empty_where_the_disk_is_damaged(champions: Champions, shelf: Shelf, damage: str) -> None:
    file = champions.folder / "current.json"
    digest = json.loads(file.read_text())["digest"]
    match damage:
        case "no file":
            file.unlink()
        case "no json":
            file.write_text("{")
        case "no bundle":
            (champions.folder / digest / "manifest.json").unlink()
        case "another bundle":
            (champions.folder / digest).rename(champions.folder / ("0" * 64))
            file.write_text(file.read_text().replace(digest, "0" * 64))
        case "path":
            file.write_text(json.dumps({"version": 1, "digest": "../bundle", "model": "ease"}))
    other = again(champions)
    assert other.current is None
    other.poll()
    assert other.current is not None or damage == "no bundle"  # Shelf.fetch keeps what is there, the registry does not


def test_follows_in_the_background_and_stops(shelf: Shelf, tmp_path: Path, remake: Remake, params: Params) -> None:
    champions = Champions(shelf, tmp_path / "followed", params.serving.poll_s, Meters())
    champions.start()
    try:
        _wait(champions, 1)
        shelf.put(remake("b2"))
        _wait(champions, 2)
    finally:
        champions.stop()
    assert champions._thread is not None
    assert not champions._thread.is_alive()


def test_tried_names_the_fault(remake: Remake) -> None:
    with pytest.raises(CarouselError, match="digest"):
        tried(remake("b2"), "0" * 64)
    folder = remake("b3", weights={})
    with pytest.raises(ContractError, match="no event that teaches"):
        tried(folder, sha256((folder / "manifest.json").read_bytes()).hexdigest())


def _wait(champions: Champions, number: int) -> None:
    deadline = time.monotonic() + 10
    while champions.current is None or champions.current.version != number:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_each_bundle_is_warmed_before_it_serves(champions: Champions, shelf: Shelf, remake: Remake) -> None:
    seen: list[tuple[int, int | None]] = []
    champions.warm = lambda new: seen.append((new.version, champions.current.version if champions.current else None))
    shelf.put(remake("next"))
    champions.poll()
    assert seen == [(2, 1)]


def test_so_is_the_last_one_on_disk(champions: Champions, shelf: Shelf) -> None:
    seen: list[tuple[int, bool]] = []
    other = Champions(shelf, champions.folder, champions.poll_s, Meters())
    other.warm = lambda new: seen.append((new.version, other.current is None))
    other.load_last()
    assert seen == [(1, True)]


def test_what_lives_long_is_out_of_the_collectors_sight_and_goes_when_nothing_holds_it(
    champions: Champions, shelf: Shelf, remake: Remake
) -> None:
    champions.served = settle
    assert champions.current is not None
    first = champions.current.bundle
    first.__dict__["circle"] = [first]  # such as a cache of a method
    gone = weakref.ref(first)
    del first
    for name in ("b2", "b3"):  # the one before stays for a rollback
        shelf.put(remake(name))
        champions.poll()
        assert gc.get_freeze_count() > 0
    assert gone() is None
    gc.unfreeze()
