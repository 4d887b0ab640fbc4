"""Fixtures that the tests of every package may use, and how tests are distributed among processes."""

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.process_state import list_leaks, read_state, restore_state

if TYPE_CHECKING:
    from components.contracts import Catalogue, Interactions, Users
    from components.experiments.definition import Experiment

os.environ |= {"HF_HUB_OFFLINE": "1", "DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
os.environ["OMP_NUM_THREADS"] = "1"  # of BLAS and torch, before either is imported: each core runs one worker
ALONE = ("tests/flows/test_real_server.py",)  # waits for schedules: meanwhile other processes run the other flows
SHARED = ("tests/flows/", "tests/components/release/", "tests/components/serving/storage/")  # costly session fixtures
LONGEST = (  # begin first, so that no process is left alone with one of them at the end
    "tests/components/stages/test_crashes.py", *ALONE, "tests/docs/test_exports.py", "tests/docs/test_extending.py",
    *SHARED, "tests/infra/test_ci.py", "tests/infra/test_stack.py", "tests/components/stages/",
    "tests/components/data/", "tests/components/serving/test_live", "tests/components/serving/http/test_page",
)  # fmt: skip


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import the test modules without garbage collection, a fifth of the time: what they import stays anyway.

    Then collect less often: each full collection visits all of it, which took a tenth of the tests' time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.set_threshold(10_000, 50, 10)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""
    items.sort(key=lambda item: next((n for n, at in enumerate(LONGEST) if item.nodeid.startswith(at)), len(LONGEST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file, and those of a folder that share costly fixtures, in one process, in our order."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file in ALONE else next((folder for folder in SHARED if file.startswith(folder)), file)

    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.fixture(autouse=True)
def _process_state_unchanged() -> Iterator[None]:
    """Fail a test that changes the current directory, environment, thread count, log level, ...; restore them."""
    before = read_state()
    yield
    leaks = list_leaks(before, read_state())
    if leaks:
        restore_state(before)
        pytest.fail(f"the test left behind: {'; '.join(leaks)}", pytrace=False)


@pytest.fixture
def world() -> "tuple[Interactions, Catalogue, Users]":
    """Return the checkerboard."""
    from tests.support import checkerboard

    return checkerboard()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real data sets, or skip with a message."""
    folder = Path(os.environ.get("CAROUSEL_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set CAROUSEL_REAL_DATA")
    return folder


@pytest.fixture
def experiment() -> "Experiment":
    """Half of the users see version 1, half version 2."""
    from datetime import UTC, datetime

    from components.experiments.definition import Arm, Experiment

    return Experiment(
        name="spring",
        salt="s",
        arms=[Arm(name="control", role="champion", share=0.5), Arm(name="new", role="challenger", share=0.5)],
        metric="conversion",
        window_hours=24,
        alpha=0.05,
        min_users=50,
        target_users=1000,
        started=datetime(2026, 3, 1, tzinfo=UTC),
        versions={"control": 1, "new": 2},
        bundles={"control": "a" * 64, "new": "b" * 64},
    )
