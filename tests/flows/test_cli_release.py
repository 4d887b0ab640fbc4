"""`carousel decide`, `promote` and `rollback`."""

import json
from pathlib import Path

import pytest

from flows import cli
from tests.flows.command import one_object


@pytest.mark.slow
def test_decide_again_with_another_gate_parameter(promoted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from flows.retrain import retrain

    assert retrain.fn(max_epochs=30, gate_mode="dry_run")["verdict"] == "promote"
    capsys.readouterr()
    assert cli.run(["decide", "--json", "--set", "gate.min_gain=0.5"]) == 2
    assert one_object(capsys.readouterr().out)["verdict"] == "keep"
    assert cli.run(["decide", "--json", "--set", "gate.min_users=5000"]) == 3
    assert one_object(capsys.readouterr().out)["users_needed"] >= 4800
    assert cli.run(["decide", "--json"]) == 0
    assert cli.run(["promote", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["version"] == 2
    assert cli.run(["rollback", "--json"]) == 0
    assert one_object(capsys.readouterr().out)["version"] == 1
