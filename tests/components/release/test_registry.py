import logging
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components import redact
from components.contracts import ChampionRef
from components.errors import ReleaseError, TamperedError
from components.params import Params
from components.release.bundle import open_bundle
from components.release.registry import Registry
from components.settings import Settings
from tests.components.release.support import Registered, register_in

Register = Callable[..., int]
ROOT = Path(__file__).parents[3]


def test_a_version_is_read_as_it_was_registered(
    registry: Registry, register: Register, bundle: Path, tmp_path: Path
) -> None:
    number = register(metrics={"evaluate/test/ease/ndcg_at_10": 0.1 + 0.2, "fit/seconds": 3.0})
    version = registry.version(number)
    assert (number, version.number) == (1, 1)
    assert version.lineage.bundle_digest == open_bundle(bundle).digest
    assert version.lineage.git_dirty is False
    assert version.metrics == {"ndcg_at_10": 0.1 + 0.2}  # to the last bit
    assert registry.alias("challenger") == version
    assert registry.alias("champion") is None
    assert registry.ref(1) == ChampionRef(version=1, digest=version.lineage.bundle_digest, model="ease")
    assert open_bundle(registry.fetch(1, tmp_path / "got"), version.lineage.bundle_digest)
    params = registry.download_artifact(1, "run/params.yaml", tmp_path / "x")
    assert params.read_bytes() == (tmp_path / "run_folder/run/params.yaml").read_bytes()
    assert registry.download_artifact(1, "reports/evaluate/report.html", tmp_path / "x").exists()
    with pytest.raises(ReleaseError):
        registry.download_artifact(1, "reports/evaluate/per_user.parquet", tmp_path / "x")


def test_the_same_bundle_is_the_same_version(registry: Registry, register: Register, run_folder: Path) -> None:
    assert (register(), register("b"), register()) == (1, 2, 1)
    assert len(registry.versions()) == 2
    challenger = registry.alias("challenger")
    assert challenger is not None
    assert challenger.number == 1


def test_a_new_evaluation_of_a_known_bundle_updates_its_record(
    registry: Registry, register: Register, run_folder: Path, tmp_path: Path
) -> None:
    first = registry.version(register(metrics={"evaluate/test/ease/ndcg_at_10": 0.5}))
    (run_folder / "reports/evaluate/evaluation.json").write_text('{"again": 1}')
    knobs = run_folder / "run/params.yaml"
    knobs.write_text(knobs.read_text().replace("min_gain: 0.0 ", "min_gain: 0.9 "))  # another parameter of the gate
    second = registry.version(register(metrics={"evaluate/test/ease/ndcg_at_10": 0.25}))
    assert second.number == first.number
    assert second.run_id == first.run_id
    assert second.metrics["ndcg_at_10"] == 0.25  # the newer value, not the larger
    assert [child.data.metrics["ndcg_at_10"] for child in registry.runs.children(first.run_id)] == [0.25]
    assert second.evaluation_digest != first.evaluation_digest
    kept = registry.download_artifact(1, "reports/evaluate/evaluation.json", tmp_path / "x")
    assert kept.read_text() == '{"again": 1}'


def test_reading_an_empty_registry_creates_no_file(tmp_path: Path, params: Params) -> None:
    registry = Registry(Settings(home=tmp_path / "home").resolved(tmp_path), params.release)
    assert (registry.alias("champion"), registry.versions(), registry.digests()) == (None, [], {})
    with pytest.raises(ReleaseError, match="nothing is registered"):
        registry.version(1)
    assert not (tmp_path / "home").exists()


def test_an_unknown_version_is_named(registry: Registry, register: Register, tmp_path: Path) -> None:
    assert registry.alias("champion") is None
    register()
    with pytest.raises(ReleaseError, match=r"version 7 .* it has \[1\]"):
        registry.version(7)
    with pytest.raises(ReleaseError, match="version 7"):
        registry.fetch(7, tmp_path / "x")
    with pytest.raises(ReleaseError):
        registry.move("champion", 7)
    assert registry.alias("champion") is None


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_not_finite_is_not_registered(registry: Registry, register: Register, number: float) -> None:
    with pytest.raises(ReleaseError, match="test/ease/ndcg_at_10"):
        register(metrics={"test/ease/ndcg_at_10": number})
    assert registry.versions() == []


def test_a_bundle_of_another_digest_is_not_registered(registry: Registry, bundle: Path, run_folder: Path) -> None:
    (bundle / "info.json").write_text("{}")
    with pytest.raises(TamperedError, match=r"info\.json"):
        register_in(registry, bundle, run_folder)
    assert registry.versions() == []


def test_fetch_keeps_an_intact_bundle_and_replaces_a_damaged_one(registered: Registered, tmp_path: Path) -> None:
    registry, folder = registered[0], tmp_path / "got"
    registry.fetch(1, folder)
    before = (folder / "info.json").stat().st_ino
    registry.fetch(1, folder)
    assert (folder / "info.json").stat().st_ino == before
    (folder / "info.json").write_text("{}")
    registry.fetch(1, folder)
    assert open_bundle(folder)
    registry.fetch(2, folder)
    assert open_bundle(folder).info.as_of == "b"
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


def test_a_damaged_artifact_is_refused_and_leaves_no_folder(
    registry: Registry, settings: Settings, register: Register, tmp_path: Path
) -> None:
    register()
    (file,) = settings.home.glob("mlflow-artifacts/*/artifacts/bundle/items.parquet")
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(TamperedError, match=r"version 1 .*items\.parquet"):
        registry.fetch(1, tmp_path / "got")
    assert not (tmp_path / "got").exists()
    file.unlink()
    with pytest.raises(ReleaseError):
        registry.fetch(1, tmp_path / "got")


def test_aliases_are_moved_and_removed(registered: Registered) -> None:
    registry = registered[0]
    assert registry.serving() is None
    registry.move("champion", 2)
    assert registry.serving() == registry.ref(2)
    registry.move("previous", 1)
    assert registry.aliases() == {"challenger": 4, "champion": 2, "previous": 1}
    registry.move("previous", None)
    assert registry.aliases() == {"challenger": 4, "champion": 2}


def test_a_version_that_carousel_did_not_register_is_an_error(registered: Registered) -> None:
    registry = registered[0]
    run = registry.version(1).run_id
    registry.connection.client.create_model_version(
        registry.name, registry.connection.client.get_run(run).info.artifact_uri, run
    )
    assert list(registry.digests()) == [1, 2, 3, 4]
    for read in (registry.version, registry.ref):
        with pytest.raises(ReleaseError, match="no lineage"):
            read(5)


@pytest.mark.timeout(90)  # MLflow's own number of retries takes minutes
@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////dev/null/no/mlflow.db"])
def test_an_unreachable_registry_is_an_error_after_few_retries(settings: Settings, params: Params, uri: str) -> None:
    registry = Registry(settings.model_copy(update={"tracking_uri": uri}), params.release)
    with pytest.raises(ReleaseError, match="registry at"):
        registry.prepare()


def test_a_damaged_database_is_a_clear_error(settings: Settings, params: Params) -> None:
    (settings.home / "mlflow.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(ReleaseError, match=r"mlflow\.db: expected the registry's SQLite database .*backup"):
        Registry(settings, params.release).alias("champion")


def test_a_locked_database_is_waited_for(registry: Registry, register: Register, settings: Settings) -> None:
    import threading

    register()
    other = sqlite3.connect(settings.home / "mlflow.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(1.0, lambda: other.execute("COMMIT"))
    timer.start()
    registry.move("champion", 1)
    timer.join()
    other.close()
    assert registry.aliases()["champion"] == 1


CRASHER = """
import os, sys
from pathlib import Path
from mlflow.tracking import MlflowClient
from components.params import load
from components.release.registry import Registry
from components.settings import Settings
from tests.components.release.support import register_in

for line in sys.stdin.read().splitlines():
    point, home, bundle, run = line.split("\\t")
    child = os.fork()
    if child == 0:
        os.environ["CRASH_AT"] = point
        registry = Registry(Settings(home=Path(home)).resolved(Path(home)), load(Path("params.yaml")).release)
        register_in(registry, Path(bundle), Path(run))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.slow
def test_a_registration_killed_at_any_step_is_completed_by_the_next_call(
    empty_database: Path, params: Params, bundle: Path, run_folder: Path, tmp_path: Path
) -> None:
    points = [f"register:{p}" for p in ("run", "record", "bundle", "model", "version")]
    homes = [tmp_path / p.replace(":", "-") for p in points]
    for home in homes:
        home.mkdir()
        shutil.copyfile(empty_database, home / "mlflow.db")
    lines = "\n".join(f"{p}\t{h}\t{bundle}\t{run_folder}" for p, h in zip(points, homes, strict=True))
    command = [sys.executable, "-W", "ignore", "-c", CRASHER]
    ended = subprocess.run(
        command, cwd=ROOT, input=lines, capture_output=True, text=True, check=True, env=os.environ
    ).stdout.split()
    assert ended == ["-9"] * len(points)
    for home in homes:
        registry = Registry(Settings(home=home).resolved(home), params.release)
        assert register_in(registry, bundle, run_folder) == 1
        assert len(registry.versions()) == 1
        assert registry.aliases() == {"challenger": 1}
        experiment = registry.connection.client.get_experiment_by_name(params.release.experiment)
        runs = registry.connection.client.search_runs([experiment.experiment_id])
        assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
        (child,) = registry.runs.children(registry.version(1).run_id)
        assert child.data.metrics == {"ndcg_at_10": 0.25}
        assert open_bundle(registry.fetch(1, home / "got"))


def test_a_version_can_be_tagged(registry: Registry, register: Register) -> None:
    number = register()
    registry.tag(number, "tuned", "ease: run a")
    assert registry.connection.client.get_model_version(registry.name, str(number)).tags["tuned"] == "ease: run a"
    assert registry.version(number).lineage.model == "ease"  # its lineage is unchanged


@pytest.mark.parametrize(
    "uri",
    [
        "http://ann:Tr0ub4dor@127.0.0.1:1",
        "http://127.0.0.1:1/?token=Tr0ub4dor",
        "postgresql+psycopg://ann:Tr0ub4dor@127.0.0.1:1/x",
        "postgresql+psycopg://ann:a@b/Tr0ub4dor@127.0.0.1:1/x",
        "postgresql://ann:Tr0ub4dor@127.0.0.1:port/x",
        "mysql+none://ann:Tr0ub4dor@db/x",
        "unknown://ann:Tr0ub4dor@db/x",
    ],
)
def test_no_password_of_the_registry_is_in_errors_log_or_output(
    tmp_path: Path,
    params: Params,
    uri: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    redact.install()
    monkeypatch.setenv("CAROUSEL_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    settings = Settings(home=tmp_path).resolved(tmp_path)
    with pytest.raises(ReleaseError) as caught:
        Registry(settings, params.release).alias("champion")
    logging.getLogger("a library").error("failed", exc_info=caught.value)
    shown = "".join([str(caught.value), repr(caught.value), repr(settings), caplog.text, *capfd.readouterr()])
    assert "registry at" in shown
    assert "Tr0ub4dor" not in shown
