"""A toy checkout to run flows in, a Prefect server to record them, and no settings of this machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.release import warm
from tests.components.serving.conftest import postgres
from tests.flows.toy import ROOT, TOY_LIBRARIES, make_template, make_toy, stand_in
from tests.migrated_once import migrated_once
from tests.process_state import read_state, restore_state

__all__ = ["migrated_once", "postgres"]  # fixtures
STALE = ("CAROUSEL_", "PREFECT_", "CRASH_AT", "FAIL_AT", "SLEEP_S")


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> Iterator[None]:
    """Remove variables that the shell has set for other runs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(STALE)]:
            patch.delenv(name)
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr(warm, "LIBRARIES", TOY_LIBRARIES)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_warm_process(_own_environment: None) -> Iterator[None]:
    """Let all runs of the tests share one warm process: to import DVC takes longer than a toy stage."""
    from flows import passes

    with warm.warm_process(ROOT) as env, pytest.MonkeyPatch.context() as patch:

        @contextmanager
        def shared(root: Path) -> Iterator[dict[str, str]]:
            yield env

        patch.setattr(passes, "warm_process", shared)
        yield


@pytest.fixture(autouse=True)
def _process_state_restored() -> Iterator[None]:
    """Restore environment and logging, which the command line and Prefect set for the whole process."""
    before = read_state()
    yield
    restore_state(before)


@pytest.fixture
def unrecorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command line find no Prefect server, instead of starting one for each call."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setattr("flows.server.FOREIGN_START_S", 0.1)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = make_template(tmp_path_factory.mktemp("template"))
        patch.setenv("TOY_TEMPLATE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def fresh(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout where nothing has run; made once, to copy."""
    return make_toy(tmp_path_factory.mktemp("fresh") / "shop")


@pytest.fixture
def checkout(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a new checkout where nothing has run."""
    return stand_in(fresh, tmp_path / "shop", monkeypatch)


@pytest.fixture(scope="session")
def server() -> Iterator[None]:
    """Run a Prefect server for the tests."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture(scope="session")
def first(fresh: Path, server: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return a checkout whose first run, recorded by Prefect, has promoted a champion; and its outcome."""
    from flows.retrain import retrain
    from flows.tasks import unwrap

    with pytest.MonkeyPatch.context() as patch:
        root = stand_in(fresh, tmp_path_factory.mktemp("first") / "shop", patch)
        return root, unwrap(retrain(bootstrap=True))


@pytest.fixture
def promoted(first: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a copy of the checkout after its first run."""
    return stand_in(first[0], tmp_path / "shop", monkeypatch)
