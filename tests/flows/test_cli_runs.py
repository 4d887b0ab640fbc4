"""`carousel retrain` in a process of its own: with Prefect, without it, beside another run, and after a failure."""

import os
from pathlib import Path

import pytest

from components.release.lock import exclusive_lock
from tests.flows.command import NOWHERE, carousel, one_object


def test_retrain_from_the_command_line(promoted: Path) -> None:
    """Without changes no stage runs. A changed parameter: Prefect records the run on a temporary server."""
    same = carousel(promoted, "retrain", "--json")
    assert same.returncode == 2, same.stderr
    content = one_object(same.stdout)
    assert content["verdict"] == "keep"
    assert not [s for s in content["stages"] if s["ran"]]
    better = carousel(promoted, "retrain", "--json", "--set", "trainer.max_epochs=30")
    assert better.returncode == 0, better.stderr
    content = one_object(better.stdout)
    assert (content["promoted"], content["champion"], content["challenger_version"]) == (True, 2, 2)
    assert {"verdict", "reasons", "report", "seconds", "overhead_s", "stages"} <= set(content)
    assert "Traceback" not in better.stderr
    assert "To track the changes" not in better.stderr
    assert "[11/11]" in better.stderr
    assert (promoted / ".carousel/prefect/prefect.db").is_file()
    _, _, lines = (promoted / ".carousel/prefect-cli.log").read_text().partition("Traceback")
    assert not lines


def test_a_concurrent_run_is_refused_with_a_reason(promoted: Path) -> None:
    with exclusive_lock(promoted / ".carousel/retrain.lock", "a retrain"):
        second = carousel(promoted, "retrain", "--json")
    assert second.returncode == 1
    assert one_object(second.stdout)["kind"] == "BusyError"
    assert f"pid {os.getpid()}" in second.stdout


@pytest.mark.slow
def test_retrain_works_when_prefect_cannot_be_reached(promoted: Path) -> None:
    done = carousel(promoted, "retrain", "--json", "--set", "trainer.max_epochs=5", **NOWHERE)
    assert done.returncode == 2, done.stderr
    assert one_object(done.stdout)["challenger_version"] == 2
    assert "the run goes on unrecorded" in done.stderr


@pytest.mark.slow
def test_a_failed_stage_is_one_message(promoted: Path) -> None:
    done = carousel(promoted, "retrain", "--set", "trainer.max_epochs=5", FAIL_AT="finetune", **NOWHERE)
    assert done.returncode == 1
    assert not done.stdout
    assert done.stderr.splitlines()[-1] == "carousel: finetune: expected 3 rows, came 2"
    assert "Traceback" not in done.stderr
