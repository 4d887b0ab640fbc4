"""`carousel backtest`: its words."""

import pytest

from flows.cli import run


def test_both_ends_are_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backtest", "--from", "2011-06-01"]) != 0
    assert "--to" in capsys.readouterr().err
