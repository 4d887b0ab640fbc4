"""Removal from the registry: what stays can be fetched, what goes frees its bytes, the next call ends a killed one."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from components.errors import ReleaseError
from components.params import Params
from components.release.object_store import MIN_BYTES
from components.release.records import Cleaned
from components.release.registry import Registry
from components.release.registry_gc import clean_registry
from components.release.retention import keep_version
from components.settings import Settings
from tests.components.release.support import register_in, remade
from tests.components.release.test_object_store import NAME, add_file, size

ENCODERS = [bytes([n]) * (MIN_BYTES + n) for n in (1, 2)]
Nights = Callable[..., list[int]]


@pytest.fixture
def nights(registry: Registry, bundle: Path, run_folder: Path, tmp_path: Path) -> Nights:
    """Return a function that registers versions whose encoders are the numbered ones."""

    def call(*encoders: int) -> list[int]:
        numbers = []
        for number, which in enumerate(encoders):
            night = remade(bundle, tmp_path / f"night-{number}", f"night {number}")
            numbers.append(register_in(registry, add_file(night, ENCODERS[which]), run_folder))
        return numbers

    return call


def clean(registry: Registry, settings: Settings, keep: int = 1, days: float = 30, dry: bool = False) -> list[Cleaned]:
    return clean_registry(registry, settings, keep, days, dry)[1]


def counts(found: list[Cleaned]) -> list[int]:
    """Return the numbers of versions, runs and objects."""
    return [row.count for row in found]


def test_old_versions_go_with_their_files_and_rows(
    registry: Registry, settings: Settings, nights: Nights, tmp_path: Path
) -> None:
    nights(0, 0, 1, 1)
    keep_version(registry, 2)
    before = size(settings.home / "mlflow-artifacts")
    runs = {number: registry.version(number).run_id for number in (1, 2, 3, 4)}
    children = {number: [c.info.run_id for c in registry.runs.children(run)] for number, run in runs.items()}
    assert [len(found) for found in children.values()] == [1, 1, 1, 1]
    found = clean(registry, settings)
    assert counts(found) == [2, 0, 0]
    assert found[0].note == "versions 1, 3"
    assert before - size(settings.home / "mlflow-artifacts") == found[0].size > 0
    assert list(registry.digests()) == [2, 4]
    for number in (2, 4):
        assert (registry.fetch(number, tmp_path / f"v{number}/bundle") / NAME).is_file()
    with pytest.raises(ReleaseError, match=r"version 3 of carousel is not in the registry; it has \[2, 4\]"):
        registry.version(3)
    with closing(sqlite3.connect(settings.home / "mlflow.db")) as database:
        left = {row[0] for row in database.execute("SELECT run_uuid FROM runs")}
    assert left == {runs[2], runs[4]} | {child for n in (2, 4) for child in children[n]}


def test_an_object_goes_with_the_last_version_that_needs_it(
    registry: Registry, settings: Settings, nights: Nights
) -> None:
    nights(0, 0, 1)
    found = clean(registry, settings, keep=2)
    assert counts(found) == [1, 0, 0]
    found = clean(registry, settings, keep=1)
    assert counts(found) == [1, 0, 1]
    assert found[2].size == len(ENCODERS[0])
    assert [o.size for o in registry.objects.objects(registry.runs.experiment_id())] == [len(ENCODERS[1])]


def test_a_dry_run_says_the_same_and_removes_nothing(registry: Registry, settings: Settings, nights: Nights) -> None:
    nights(0, 1, 1)
    planned = clean(registry, settings, dry=True)
    assert list(registry.digests()) == [1, 2, 3]
    assert clean(registry, settings) == planned
    assert counts(clean(registry, settings)) == [0, 0, 0]


def test_the_same_bundle_can_be_registered_again(
    registry: Registry, settings: Settings, nights: Nights, run_folder: Path, tmp_path: Path
) -> None:
    nights(0, 1)
    clean(registry, settings)
    assert register_in(registry, tmp_path / "night-0", run_folder) == 3
    assert (registry.fetch(3, tmp_path / "fetched/bundle") / NAME).read_bytes() == ENCODERS[0]
    assert counts(clean(registry, settings, keep=2)) == [0, 0, 0]


@pytest.mark.parametrize("days", [30.0, 0.0])
def test_runs_without_a_version_go_when_they_are_old(
    registry: Registry, settings: Settings, nights: Nights, days: float
) -> None:
    nights(0)
    search = registry.runs.begin("tune", {"search": "s", "release": "carousel"})
    registry.runs.record_child(search, "ease 0", {"l2": 3}, {}, "complete")
    registry.runs.end(search, {}, [])
    other = registry.runs.begin("tune", {"search": "s", "release": "another shop"})
    found = clean(registry, settings, days=days)
    assert counts(found) == [0, 0 if days else 2, 0]
    client = registry.connection.client
    left = {run.info.run_id for run in client.search_runs([registry.runs.experiment_id()])}
    assert {registry.version(1).run_id, other} <= left
    assert len(left) == (5 if days else 3)  # the search and its trial


def test_without_a_registry_nothing_is_made(tmp_path: Path, params: Params) -> None:
    settings = Settings(home=tmp_path / "home").resolved(tmp_path)
    assert clean(Registry(settings, params.release), settings) == []
    assert not (tmp_path / "home/mlflow.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize("point", ["gc:marked", "gc:version", "gc:artifacts", "gc:run", "gc:object"])
def test_a_killed_call_leaves_all_loadable_and_the_next_ends_it(
    registry: Registry, settings: Settings, nights: Nights, tmp_path: Path, point: str
) -> None:
    nights(0, 1, 1)
    program = (
        "import sys; from pathlib import Path; from components.params import load\n"
        "from components.release.registry import Registry; from components.release.registry_gc import clean_registry\n"
        "from components.settings import Settings; from tests.support import ROOT\n"
        "settings = Settings(home=Path(sys.argv[1])).resolved(Path(sys.argv[1]))\n"
        "clean_registry(Registry(settings, load(ROOT / 'params.yaml').release), settings, 1, 30, False)\n"
    )
    command = [sys.executable, "-c", program, str(settings.home)]
    killed = subprocess.run(command, env=os.environ | {"CRASH_AT": point}, check=False, capture_output=True)
    assert killed.returncode == -9, killed.stderr
    for number in registry.digests():
        registry.fetch(number, tmp_path / f"v{number}/bundle")
    clean(registry, settings)
    assert list(registry.digests()) == [3]
    registry.fetch(3, tmp_path / "again/bundle")
    stored = [p for p in (settings.home / "mlflow-artifacts").rglob("model.safetensors") if p.is_file()]
    assert [p.read_bytes() for p in stored] == [ENCODERS[1]]
    with closing(sqlite3.connect(settings.home / "mlflow.db")) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (2,)  # its run, with one child
    assert len([p for p in (settings.home / "mlflow-artifacts").iterdir() if any(p.rglob("*"))]) == 2  # run, objects
