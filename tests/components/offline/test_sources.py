"""Which snapshot the histories come from, and what is no bundle."""

from pathlib import Path

import pytest

from components.data.snapshot import SnapshotInfo
from components.errors import ReleaseError, TamperedError
from components.io import write_record
from components.offline.sources import find_snapshot, open_folder, open_store
from components.params import Params
from components.release.lock import exclusive_lock
from components.serving.storage.event_store import StoredEvent
from components.settings import Settings
from tests.components.serving.storage.test_import_snapshot import snapshot


def run_of(folder: Path, shop: str, as_of: str) -> Path:
    """Make a checkout with the snapshot of a run; return the snapshot."""
    (folder / "run").mkdir(parents=True)
    (folder / "run/params.yaml").write_text(f"release: {{name: {shop}}}\n")
    write_record(folder / "data/snapshot/snapshot.json", SnapshotInfo(as_of=as_of, simulated=False, counts={}))
    return folder / "data/snapshot"


def test_the_newest_snapshot_of_the_shop_counts(tmp_path: Path) -> None:
    root, home = tmp_path / "checkout", tmp_path / "home"
    assert find_snapshot(root, home, "teas") is None
    own = run_of(root, "teas", "2026-03-01T00:00:00+00:00")
    assert find_snapshot(root, home, "teas") == own
    newer = run_of(home / "workspaces/run-1", "teas", "2026-03-01T02:00:00+01:00")
    run_of(home / "workspaces/run-2", "books", "2026-03-09T00:00:00+00:00")
    run_of(home / "workspaces/reproduce-1", "teas", "2026-03-09T00:00:00+00:00")
    assert find_snapshot(root, home, "teas") == newer
    assert find_snapshot(root, home, "shoes") is None


def test_the_store_holds_the_snapshot_unless_a_run_writes_one(
    params: Params, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "checkout"
    settings = Settings(home=tmp_path / "home").resolved(root)
    snapshot(run_of(root, params.release.name, "2026-03-01T00:00:00+00:00"), ["ann", "bob", None])
    with exclusive_lock(settings.home / "retrain.lock", "a refresh"), caplog.at_level("INFO"):
        store = open_store(settings, params, root)
    assert store.count_users() == 0
    assert "a refresh runs since" in caplog.text
    store.put([StoredEvent("cid", 1, "sku-1", "view")]).result()
    store.close()
    store = open_store(settings, params, root)
    assert store.list_users("", 9)[:2] == ["ann", "bob"]
    assert (settings.shop(params.release.name) / "serving/state.db").is_file()  # that of the service
    store.close()


def test_what_is_no_bundle_or_a_changed_one_is_refused(bundle: Path, params: Params, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"expected a bundle, found no manifest\.json"):
        open_folder(tmp_path, params)
    (bundle / "info.json").write_text("{}")
    with pytest.raises(TamperedError, match=r"info\.json"):
        open_folder(bundle, params)
