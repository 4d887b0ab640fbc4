"""The checkout is found from any folder below it; a reader that ends early is no fault."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows import cli


def test_commands_work_from_a_folder_below_the_checkout(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Paths of the command line start where it was called, those of the environment at the checkout."""
    monkeypatch.delenv("CAROUSEL_HOME")
    (checkout / "shops/mine").mkdir(parents=True)
    (checkout / "shops/mine/my.yaml").write_text("seed: 7\n")
    (checkout / "all.yaml").write_text("serving: {port: 8123}\n")
    (checkout / "shops/mine/params.yaml").write_text("seed: 1\n")  # a shop's overlay, no checkout
    monkeypatch.setenv("CAROUSEL_PARAMS", "all.yaml")
    monkeypatch.chdir(checkout / "shops/mine")
    assert cli.run(["params", "--params", "my.yaml"]) == 0
    out = capsys.readouterr().out
    assert "seed: 7  # of every random generator (shops/mine/my.yaml)" in out
    assert "serving.port: 8123" in out
    assert "(all.yaml)" in out
    assert (checkout / ".carousel").is_dir()
    assert not (checkout / "shops/mine/.carousel").exists()


def test_outside_of_a_checkout_nothing_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["status"]) == 1
    assert "expected a checkout of Carousel here or above" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["params", "--all"], ["doctor"]])
def test_a_reader_that_ends_early_is_no_fault(checkout: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "flows.cli", *arguments]
    with subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.close()
        _, error = process.communicate(timeout=100)
    assert process.returncode == 0, error
    assert b"BrokenPipe" not in error
