"""`carousel gc` after some nights: bounded, with all that is in use intact; nothing is removed beside a run."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from components.errors import BusyError
from components.release.bundle import open_bundle
from components.release.lock import exclusive_lock
from components.release.object_store import MIN_BYTES
from components.release.status import read_status
from flows import gc
from flows.retrain import retrain
from flows.tasks import unwrap
from flows.workspace import open_workspace
from tests.flows.toy import own_artifacts, stand_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # five runs of a toy pipeline, a minute on idle cores
SIZE = MIN_BYTES + 100
POLICY = ["gc.keep_versions=2"]


@pytest.fixture(scope="module")
def five(
    template: Path, fresh: Path, server: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, Any]]]:
    """Return a checkout after five nights with new data and an unchanged encoder, and their outcomes."""
    made = Path(shutil.copytree(template, tmp_path_factory.mktemp("encoder") / "template"))
    content = bytes(SIZE)
    (made / "bundle/encoder").mkdir()
    (made / "bundle/encoder/model.safetensors").write_bytes(content)
    manifest = json.loads((made / "bundle/manifest.json").read_text())
    manifest["files"]["encoder/model.safetensors"] = {"sha256": sha256(content).hexdigest(), "bytes": SIZE}
    (made / "bundle/manifest.json").write_text(json.dumps(manifest))
    with pytest.MonkeyPatch.context() as patch:
        root = stand_in(fresh, tmp_path_factory.mktemp("five") / "shop", patch)
        patch.setenv("TOY_TEMPLATE", str(made))
        outcomes = []
        for night in range(1, 6):
            lines = [f'data.as_of="2026-03-0{night}T00:00:00Z"', f"trainer.max_epochs={10 + (night > 1) + (night > 3)}"]
            outcomes.append(unwrap(retrain(overrides=lines, bootstrap=True)))
        return root, outcomes


@pytest.fixture
def shop(five: tuple[Path, list[dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a copy of the checkout after five nights; its artifacts are those of the copy."""
    root = stand_in(five[0], tmp_path / "shop", monkeypatch)
    own_artifacts(root, five[0])
    return root


def clean(**changes: Any) -> gc.GcReport:
    return gc.GcReport.model_validate(unwrap(gc.gc(overrides=POLICY, **changes)))


def count(report: gc.GcReport, what: str) -> int:
    (row,) = [row for row in report.cleaned if row.what == what]
    return row.count


def encoders(folder: Path) -> int:
    """Return how many encoders are stored below the folder."""
    return sum(path.is_file() and path.stat().st_size == SIZE for path in folder.rglob("*"))


def test_the_nights_store_the_encoder_once_in_each_store(shop: Path, five: tuple[Path, list[dict[str, Any]]]) -> None:
    assert [outcome["promoted"] for outcome in five[1]] == [True, True, False, True, False]
    assert encoders(shop / ".carousel/mlflow-artifacts") == 1
    assert encoders(shop / ".dvc/cache") == 1
    assert encoders(shop / ".carousel/remote") == 0


def test_after_a_cleaning_all_in_use_is_intact_and_data_of_versions_that_stay_can_be_restored(shop: Path) -> None:
    workspace = open_workspace([], [], None)
    registry = workspace.registry()
    assert registry.aliases() == {"challenger": 5, "champion": 4, "previous": 2}
    data = {number: registry.version(number).lineage.data_version for number in (1, 2, 3, 4, 5)}
    planned = clean(dry_run=True)
    assert list(registry.digests()) == [1, 2, 3, 4, 5]
    report = clean()
    assert [(row.what, row.count) for row in report.cleaned][:3] == [(row.what, row.count) for row in planned.cleaned][
        :3
    ]
    assert count(report, "model versions") == 1
    assert report.retained == {
        1: "version 2 was compared with it", 2: "previous", 4: "champion", 5: "challenger"
    }  # fmt: skip
    for number in report.retained:
        bundle = registry.fetch(number, shop / f"fetched/{number}")
        assert open_bundle(bundle).digest == registry.version(number).lineage.bundle_digest
    status = read_status(workspace.settings, workspace.params.release)
    assert status.champion is not None
    assert status.champion["version"] == 4
    listings = {path.parent.name + path.name for path in (shop / ".carousel/remote/files/md5").rglob("*.dir")}
    assert listings == {data[number] for number in report.retained}
    assert data[3] not in {path.parent.name + path.name for path in (shop / ".dvc/cache/files/md5").rglob("*.dir")}
    assert [row.count for row in clean().cleaned if row.what != "flow runs"] == [0] * (len(report.cleaned) - 1)


def test_a_night_after_a_cleaning_is_like_any_other(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean()
    outcome = unwrap(retrain(overrides=['data.as_of="2026-03-06T00:00:00Z"', "trainer.max_epochs=20"]))
    assert outcome["promoted"]
    assert outcome["challenger_version"] == 6
    assert open_workspace([], [], None).registry().aliases() == {"challenger": 6, "champion": 6, "previous": 4}
    again = unwrap(retrain(overrides=['data.as_of="2026-03-06T00:00:00Z"', "trainer.max_epochs=20"]))
    assert (again["promoted"], again["champion"]) == (False, 6)


def test_nothing_is_removed_beside_a_run(shop: Path) -> None:
    with exclusive_lock(shop / ".carousel/retrain.lock", "a retrain"), pytest.raises(BusyError, match="a retrain"):
        gc.gc.fn(overrides=POLICY)
    assert len(open_workspace([], [], None).registry().digests()) == 5


def test_flow_runs_that_ended_before_go_from_the_server(shop: Path) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client

    @flow
    def cleaning(before: datetime, dry_run: bool) -> int:
        return gc.clean_flow_runs(before, dry_run).count

    now = datetime.now(UTC)
    n_ended = cleaning(now, dry_run=True)
    assert n_ended >= 5
    assert cleaning(now - timedelta(days=30), dry_run=False) == 0
    assert cleaning(now, dry_run=False) == n_ended
    with get_client(sync_client=True) as client:
        left = client.read_flow_runs()
    assert all(run.expected_start_time is None or run.expected_start_time >= now for run in left)


def test_the_table_names_sizes_and_versions(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gc.show(clean(dry_run=True))
    text = capsys.readouterr().out
    assert "model versions" in text
    assert "versions 3" in text
    assert "4 (champion)" in text
    assert "nothing was removed" in text
