"""The registry's database is whole or absent, whatever is killed while it is made."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from components import params
from components.errors import ReleaseError
from components.release import local_database
from components.release.registry import Registry
from components.settings import Settings

ROOT = Path(__file__).parents[3]
RELEASE = params.load(ROOT / "params.yaml").release
MAKE = (
    "from pathlib import Path\nfrom components import params\nfrom components.release.registry import Registry\n"
    "from components.settings import Settings\n"
    "Registry(Settings().resolved(Path()), params.load(Path({!r})).release).prepare()"
).format(str(ROOT / "params.yaml"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def registry(home: Path) -> Registry:
    return Registry(Settings(home=home).resolved(home), RELEASE)


def age(path: Path) -> None:
    """Make the file older than work in progress."""
    os.utime(path, (0, 0))


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def test_a_process_that_is_killed_while_it_makes_the_database_leaves_none(home: Path) -> None:
    env = {**os.environ, "CAROUSEL_HOME": str(home), "CRASH_AT": "registry:database"}
    done = subprocess.run([sys.executable, "-c", MAKE], cwd=ROOT, env=env, check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    assert not (home / "mlflow.db").exists()
    registry(home).prepare()
    assert registry(home).digests() == {}
    assert not list(home.glob(".mlflow.db*"))  # the killed process's part was removed


def test_migrations_that_fail_half_way_leave_no_database(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("mlflow.store.db.utils._upgrade_db", lambda engine: 1 / 0)  # after the first tables
        with pytest.raises(ZeroDivisionError):
            registry(home).prepare()
    registry(home).prepare()
    assert registry(home).aliases() == {}


@pytest.mark.parametrize(
    "statements",
    [
        [],  # an empty file
        ["CREATE TABLE experiments (id INTEGER)"],
        ["CREATE TABLE alembic_version (version_num TEXT)", "CREATE TABLE runs (run_uuid TEXT)"],
        ["CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('451aebb31d03')"],
    ],
)
def test_a_half_made_database_without_records_is_replaced(
    home: Path, statements: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    file = home / "mlflow.db"
    file.touch()
    execute(file, *statements)
    age(file)
    registry(home).prepare()
    assert registry(home).digests() == {}
    assert (home / "mlflow.db.incomplete").exists()
    assert "half made" in caplog.text


def test_a_database_of_another_schema_that_holds_runs_is_named_and_kept(home: Path) -> None:
    file = home / "mlflow.db"
    execute(
        file,
        "CREATE TABLE alembic_version (version_num TEXT)",
        "INSERT INTO alembic_version VALUES ('old')",
        "CREATE TABLE runs (run_uuid TEXT)",
        "INSERT INTO runs VALUES ('a')",
    )
    age(file)
    before = file.read_bytes()
    with pytest.raises(ReleaseError, match=r"mlflow\.db: .*schema old.*mlflow db upgrade sqlite:"):
        registry(home).aliases()
    assert file.read_bytes() == before


def test_a_file_that_is_no_database_is_named_and_kept(home: Path) -> None:
    (home / "mlflow.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(ReleaseError, match=r"mlflow\.db: expected the registry's SQLite database"):
        registry(home).aliases()


def test_a_database_that_another_process_is_making_is_waited_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_database, "POLL_S", 0.05)
    other = home.parent / "other"
    other.mkdir()
    registry(other).prepare()
    file = home / "mlflow.db"
    file.touch()  # just created, as MLflow's server does
    found: list[str | None] = []
    schema = local_database._schema

    def finish_then_look(path: Path) -> str | None:
        found.append(schema(path))
        if len(found) == 3:
            path.write_bytes((other / "mlflow.db").read_bytes())
        return found[-1]

    monkeypatch.setattr(local_database, "_schema", finish_then_look)
    registry(home).prepare()
    assert found[:3] == [None, None, None]
    assert not (home / "mlflow.db.incomplete").exists()


def test_aliases_and_tags_are_read_without_mlflow(home: Path) -> None:
    own = registry(home)
    uri, name = own.settings.tracking_uri, own.name
    assert local_database.read_aliases(uri, name) == {}
    client = own.connection.client
    client.create_registered_model(name)
    client.create_registered_model("another")
    run = client.create_run("0").info
    for model, alias in ((name, "champion"), ("another", "challenger")):
        client.create_model_version(model, f"{run.artifact_uri}/bundle", run.run_id, tags={"model": model})
        client.set_registered_model_alias(model, alias, "1")
    assert local_database.read_aliases(uri, name) == {"champion": 1} == client.get_registered_model(name).aliases
    assert local_database.read_tags(uri, name, 1) == {"model": name} == client.get_model_version(name, "1").tags
    assert local_database.read_tags(uri, name, 2) == {}
    code = f"import sys; from components.release import local_database as d; d.read_aliases({uri!r}, {name!r})"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'mlflow' not in sys.modules"], check=True, cwd=ROOT)


def test_a_server_and_a_database_without_tables_are_left_to_mlflow(home: Path) -> None:
    assert local_database.read_aliases("http://127.0.0.1:9", "carousel") is None
    execute(home / "mlflow.db", "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    assert local_database.read_tags(f"sqlite:///{home / 'mlflow.db'}", "carousel", 1) is None
