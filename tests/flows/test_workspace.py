"""The workspace of a run, and its exclusive lock."""

import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from components.errors import BusyError, ParamsError
from components.serving.storage.exposure_table import add_exposures
from components.serving.storage.exposures import Exposure
from components.serving.storage.open_event_store import open_event_store
from components.stages import moment
from flows import workspace
from flows.workspace import locked_workspace, open_workspace
from tests.components.serving.postgres import Postgres
from tests.flows.toy import call

REAL = ["data.simulated=false", "data.sources={products: [{path: p.csv}], events: [{path: p.csv}]}"]
NIGHT = datetime(2026, 5, 1, 1, tzinfo=UTC)


def test_overlays_then_overrides_then_as_of(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "a.yaml").write_text("seed: 1\ntrainer: {max_epochs: 2}\n")
    (checkout / "b.yaml").write_text("seed: 3\n")
    monkeypatch.setenv("CAROUSEL_PARAMS", "a.yaml")
    found = open_workspace(["b.yaml"], ["trainer.patience=4"], datetime(2026, 2, 1))
    values = found.params
    assert (values.seed, values.trainer.max_epochs, values.trainer.patience) == (3, 2, 4)
    assert values.data.as_of == datetime(2026, 2, 1, tzinfo=UTC)
    assert found.env["CAROUSEL_PARAMS"] == f"{checkout / 'a.yaml'}:{checkout / 'b.yaml'}"
    assert found.env["CAROUSEL_OVERRIDES"].splitlines()[0] == "trainer.patience=4"
    assert not (checkout / ".carousel").exists()  # opening creates nothing


def test_another_time_zone_is_the_same_moment(checkout: Path) -> None:
    there = datetime(2026, 2, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert open_workspace([], [], there).params.data.as_of == datetime(2026, 2, 1, tzinfo=UTC)


def test_a_real_shop_is_seen_as_of_now_unless_a_time_is_named(checkout: Path) -> None:
    """From the command line now, in a deployment the scheduled start; the simulated shop at its end."""
    shipped = open_workspace([], [], None).params.data.as_of
    assert (
        shipped == open_workspace([], [], None, scheduled=NIGHT).params.data.as_of == datetime(2026, 3, 1, tzinfo=UTC)
    )
    before = datetime.now(UTC).replace(microsecond=0)
    now = open_workspace([], REAL, None)
    assert before <= now.params.data.as_of <= datetime.now(UTC)
    assert f'data.as_of="{now.params.data.as_of.isoformat()}"' in now.env["CAROUSEL_OVERRIDES"]  # of every stage
    assert open_workspace([], REAL, None, scheduled=NIGHT).params.data.as_of == NIGHT
    (checkout / "shop.yaml").write_text("data: {as_of: 2026-04-15}\n")
    named = datetime(2026, 4, 15, tzinfo=UTC)
    assert open_workspace(["shop.yaml"], REAL, None).params.data.as_of == named
    assert open_workspace(["shop.yaml"], REAL, None, scheduled=NIGHT).params.data.as_of == named
    as_of = datetime(2026, 4, 1, tzinfo=UTC)
    assert open_workspace(["shop.yaml"], REAL, as_of, scheduled=NIGHT).params.data.as_of == as_of


def test_a_retrain_keeps_the_moment_of_the_one_before_and_monitoring_does_not(checkout: Path) -> None:
    (checkout / "p.csv").write_text("item_id\na\n")
    earlier = (datetime.now(UTC) - timedelta(hours=3)).replace(microsecond=0)
    with locked_workspace([], [*REAL, f'data.as_of="{earlier.isoformat()}"'], None, "a retrain", resume=True):
        assert moment.find(checkout) is None  # named, not taken from the clock
    moment.store(checkout, open_workspace([], REAL, earlier).params.data, checkout)
    with locked_workspace([], REAL, None, "a retrain", resume=True) as again:
        assert again.params.data.as_of == earlier
    with locked_workspace([], REAL, None, "monitoring") as monitoring:
        assert monitoring.params.data.as_of > earlier
    with locked_workspace([], REAL, None, "a retrain", resume=True) as again:
        assert again.params.data.as_of == earlier
    (checkout / "p.csv").write_text("item_id\na\nb\n")
    with locked_workspace([], REAL, None, "a retrain", resume=True) as fresh:
        assert fresh.params.data.as_of > earlier
    found = moment.find(checkout)
    assert found is not None
    assert found.as_of == fresh.params.data.as_of


@pytest.mark.parametrize(
    ("override", "named"),
    [("trainer.epochs=1", r"trainer\.epochs"), ("evaluation.candidates=[alz]", r"evaluation\.candidates.*'alz'")],
)
def test_a_wrong_override_is_refused_before_the_lock(checkout: Path, override: str, named: str) -> None:
    with (
        pytest.raises(ParamsError, match=named),
        locked_workspace([], [override], None, "a retrain"),
    ):
        pass
    assert not (checkout / ".carousel").exists()


def test_the_lock_is_exclusive_and_released_when_its_holder_dies(checkout: Path) -> None:
    busy = pytest.raises(BusyError, match=r"a retrain runs since 20.*\(pid \d+\)")
    with locked_workspace([], [], None, "a retrain"), busy, locked_workspace([], [], None, "monitoring"):
        pass
    code = (
        "import os, signal\nfrom pathlib import Path\nfrom components.release.lock import exclusive_lock\n"
        "with exclusive_lock(Path('.carousel/retrain.lock'), 'a retrain'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run(["python", "-c", code], cwd=checkout, check=False).returncode == -9
    with locked_workspace([], [], None, "a retrain") as found:
        assert (found.root, found.deployed) == (checkout, False)


def test_a_deployed_run_gets_a_workspace_and_old_ones_are_removed(checkout: Path) -> None:
    (checkout / "uncommitted.txt").write_text("mine")
    for number in range(workspace.MAX_WORKSPACES + 2):
        with locked_workspace([], [], None, "a retrain", f"id{number}") as found:
            assert found.deployed
            assert found.root == checkout / f".carousel/workspaces/run-id{number}"
            assert (found.root / "dvc.yaml").is_file()
            assert not (found.root / "uncommitted.txt").exists()
            assert found.env["CAROUSEL_DATA_ROOT"] == str(checkout)
    (checkout / ".carousel/workspaces/reproduce-1").mkdir()
    with locked_workspace([], [], None, "a retrain", "last"):
        left = {p.name for p in (checkout / ".carousel/workspaces").iterdir()}
    assert left == {"reproduce-1", "run-last", "run-id4", "run-id3"}
    assert call(checkout, "git", "status", "--porcelain").split() == ["??", "uncommitted.txt"]


def test_what_replicas_have_shown_is_collected_before_a_run(
    checkout: Path,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = postgres.create_database()
    monkeypatch.setenv("CAROUSEL_EVENT_STORE_URL", url)
    shown = checkout / ".carousel/shops/carousel/serving/exposures"
    with locked_workspace([], [], None, "a retrain"):
        assert not list(shown.glob("*.parquet"))
    store = open_event_store(url, shown.parent, "carousel")
    add_exposures(store, [Exposure("ann", ["i1"], 10**15, None, "r", "/recommend", 3, None, None)])
    store.close()
    with locked_workspace([], [], None, "a retrain"):
        assert len(list(shown.glob("*.parquet"))) == 1
    monkeypatch.setenv("CAROUSEL_EVENT_STORE_URL", "postgresql://postgres@127.0.0.1:1/gone")
    with locked_workspace([], [], None, "a retrain"):  # a database that is away stops no run
        assert "exposures stay in the database" in caplog.text


def test_prefect_uses_home_and_logs_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {"PREFECT_LOGGING_LEVEL": "DEBUG"})
    workspace.quiet_environment(tmp_path / "home")
    import os

    assert os.environ["PREFECT_HOME"] == str(tmp_path / "home/prefect")
    assert (tmp_path / "home/prefect").is_dir()
    assert os.environ["PREFECT_LOGGING_LEVEL"] == "DEBUG"  # a level set by the user is kept
    assert os.environ["DO_NOT_TRACK"] == "1"
