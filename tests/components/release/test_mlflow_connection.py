"""The connection to MLflow: opened on first use, waits that are bounded, errors without secrets, batches, data sets."""

import json
import os
import time
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from components.errors import ReleaseError
from components.release.mlflow_connection import ENVIRONMENT, MlflowConnection
from components.release.records import LoggedDataset
from components.release.registry import Registry
from components.settings import Settings


def connect(folder: Path, uri: str = "") -> MlflowConnection:
    return MlflowConnection(Settings(home=folder / "home", tracking_uri=uri).resolved(folder))


def test_nothing_is_opened_before_the_first_use(tmp_path: Path) -> None:
    connection = connect(tmp_path)
    assert connection.is_empty()
    assert list(tmp_path.iterdir()) == []
    assert connection.artifact_location() == (tmp_path / "home/mlflow-artifacts").as_uri()
    server = connect(tmp_path, "http://127.0.0.1:9")
    assert not server.is_empty()  # only the server knows
    assert server.artifact_location() is None


def test_the_environment_bounds_waits_and_what_is_set_already_stays(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    assert registry.connection.client is registry.connection.client
    assert {name: os.environ[name] for name in ENVIRONMENT} == ENVIRONMENT | {"MLFLOW_HTTP_REQUEST_TIMEOUT": "3"}


def test_an_unreachable_server_is_an_error_within_seconds(tmp_path: Path) -> None:
    connection, started = connect(tmp_path, "http://shop:s3cret@127.0.0.1:9"), time.monotonic()
    with pytest.raises(ReleaseError, match="nothing was promoted") as caught, connection.translate_errors():
        connection.client.search_registered_models(max_results=1)
    assert "s3cret" not in str(caught.value)
    assert time.monotonic() - started < 60  # MLflow's own default is over a minute


def test_an_address_that_no_server_can_have_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="correct CAROUSEL_TRACKING_URI"):  # a driver that is not installed
        _ = connect(tmp_path, "mysql+pymysql://shop@127.0.0.1:9/mlflow").client
    connection = connect(tmp_path, "nonsense://host")
    with pytest.raises(ReleaseError, match="unsupported URI 'nonsense://host'"), connection.translate_errors():
        _ = connection.client


def test_errors_of_mlflow_its_database_and_the_disk_are_of_the_registry(registry: Registry) -> None:
    connection = registry.connection
    with pytest.raises(ReleaseError, match=r"MlflowException: .*not-a-run"), connection.translate_errors():
        connection.client.get_run("not-a-run")
    for error in (OperationalError("SELECT 1", None, Exception("disk is full")), PermissionError("read-only")):
        with pytest.raises(ReleaseError, match=r"disk is full|read-only"), connection.translate_errors():
            raise error
    with pytest.raises(ZeroDivisionError), connection.translate_errors():  # a fault of ours stays one
        _ = 1 / 0
    with connection.translate_errors() as kind:
        assert kind.__name__ == "MlflowException"


def test_a_batch_and_a_data_set_are_in_the_run(registry: Registry) -> None:
    connection = registry.connection
    run_id = registry.runs.begin("run", {"search": "s"})
    connection.log_batch(run_id, [("loss", 2.0, 0), ("loss", 1.5, 1), ("auc", 0.75, 0)], {"l2": "5"})
    source, profile = {"path": "data/snapshot", "dvc_md5": "d.dir"}, {"events": 30.0}
    connection.log_dataset(run_id, LoggedDataset(name="shop", digest="d.dir", source=source, profile=profile))
    run = connection.client.get_run(run_id)
    assert (run.data.metrics, run.data.params) == ({"loss": 1.5, "auc": 0.75}, {"l2": "5"})
    assert [(m.step, m.value) for m in connection.client.get_metric_history(run_id, "loss")] == [(0, 2.0), (1, 1.5)]
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.source_type, json.loads(used.dataset.source)) == ("dvc", source)
    assert (used.dataset.digest, json.loads(used.dataset.profile)) == ("d.dir", profile)


def test_files_of_a_run_are_read_and_written_below_its_address(registry: Registry, tmp_path: Path) -> None:
    connection = registry.connection
    run = connection.client.get_run(registry.runs.begin("run", {"search": "s"}))
    assert run.info.artifact_uri.startswith(connection.artifact_location())
    (tmp_path / "note.txt").write_text("a note")
    store = connection.artifact_repository(run.info.artifact_uri)
    store.log_artifact(str(tmp_path / "note.txt"), "notes")
    assert [file.path for file in store.list_artifacts("notes")] == ["notes/note.txt"]
    assert Path(store.download_artifacts("notes/note.txt")).read_text() == "a note"
