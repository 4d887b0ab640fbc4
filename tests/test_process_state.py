"""The check that fails a test that changes the process state."""

import gc
import logging
import os
import signal
from pathlib import Path

import pytest
import torch

from tests.process_state import list_leaks, read_state, restore_state


def test_each_kind_of_leak_is_listed_and_restored(tmp_path: Path) -> None:
    before = read_state()
    assert list_leaks(before, read_state()) == []
    os.chdir(tmp_path)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path)
    logging.getLogger().setLevel(1)
    logging.getLogger().addHandler(logging.NullHandler())
    logging.disable(1)
    gc.freeze()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(before["torch threads"] + 1)
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(not before["torch deterministic"])
    torch.set_grad_enabled(not before["torch gradients"])
    leaks = [line.partition(":")[0] for line in list_leaks(before, read_state())]
    restore_state(before)
    assert leaks == [
        "current directory", "log level", "log handlers", "logging.disable", "gc frozen", "handler of SIGTERM",
        "torch threads", "torch dtype", "torch deterministic", "torch gradients",
        "environment PROMETHEUS_MULTIPROC_DIR",
    ]  # fmt: skip
    assert list_leaks(before, read_state()) == []


def test_what_pytest_and_imports_set_is_no_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_state()
    monkeypatch.setenv("KMP_INIT_AT_FORK", "FALSE")
    without_torch = {name: value for name, value in before.items() if not name.startswith("torch ")}
    assert list_leaks(without_torch, read_state()) == []
