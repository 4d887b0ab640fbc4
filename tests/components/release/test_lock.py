import threading
from pathlib import Path

import pytest

from components.errors import BusyError
from components.release.lock import exclusive_lock


def test_the_error_names_the_holder_of_the_lock(tmp_path: Path) -> None:
    second = exclusive_lock(tmp_path / "x.lock", "a rollback")
    with (
        exclusive_lock(tmp_path / "x.lock", "a retrain"),
        pytest.raises(BusyError, match="a retrain runs since"),
        second,
    ):
        pass
    with exclusive_lock(tmp_path / "x.lock", "a rollback"):
        pass


def test_the_lock_is_waited_for_up_to_wait_s(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusive_lock(tmp_path / "x.lock", "a retrain"):
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait()
    with pytest.raises(BusyError), exclusive_lock(tmp_path / "x.lock", "another", wait_s=0.05):
        pass
    leave.set()
    with exclusive_lock(tmp_path / "x.lock", "another", wait_s=60):
        pass
    thread.join()
