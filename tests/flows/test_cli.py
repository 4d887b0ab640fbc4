"""`carousel VERB`: exit codes, one JSON object, one message per error, a quick start."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.release.lock import exclusive_lock
from flows import cli

HEAVY = ("torch", "mlflow", "dvc", "prefect", "evidently", "pandas", "pyarrow", "numpy", "lightning", "duckdb")
VERBS = ["retrain", "monitor", "decide", "promote", "rollback", "serve", "reproduce", "doctor", "status"]
VERBS += ["tune", "curve", "params", "gc", "keep"]
STATUS = ["champion", "since", "data", "verdict", "drift", "history", "monitor", "disagreement"]


def carousel(root: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a separate process."""
    command = [sys.executable, "-m", "flows.cli", *arguments]
    return subprocess.run(
        command, cwd=root, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=280
    )


def one_object(text: str) -> dict[str, Any]:
    assert text.count("\n") == 1, text
    content: dict[str, Any] = json.loads(text)
    return content


def test_help_names_every_verb_and_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, flows.cli\ncode = flows.cli.run([])\n"
        f"sys.exit(code or ' '.join(m for m in {HEAVY} if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f" {verb} " in done.stdout for verb in VERBS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch"], "nosuch"),
        (["retrain", "--nope"], "see `carousel retrain --help`"),
        (["experiment", "start"], "see `carousel experiment start --help`"),
        (["rollback", "--to", "0"], "--to"),
        (["retrain", "--as-of", "yesterday"], "--as-of"),
        (["reproduce"], "version"),
        (["retrain", "--set", "trainer.epochs=3"], "trainer.epochs"),
        (["retrain", "--set", "trainer.max_epochs=0"], "trainer.max_epochs"),
        (["retrain", "--params", "nowhere.yaml"], "nowhere.yaml"),
        (["tune", "--set", "tune.trials=0"], "tune.trials"),
        (["curve", "--set", "tune.label_shares=[]"], "tune.label_shares"),
        (["decide"], "carousel retrain"),
        (["promote"], "carousel decide"),
        (["rollback"], "roll back"),
        (["reproduce", "7"], "carousel retrain"),
    ],
)
def test_a_fault_is_exit_code_1_and_one_message(
    checkout: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert cli.run(arguments) == 1
    out, err = capsys.readouterr()
    assert not out
    assert message in err
    assert err.startswith("carousel: ")
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["retrain", "--nope"], ["retrain", "--set", "a.b=1"], ["promote"]])
def test_a_fault_as_json(checkout: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert cli.run([*arguments, "--json"]) == 1
    content = one_object(capsys.readouterr().out)
    assert set(content) == {"error", "kind"}


def test_status_before_the_first_run(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["status", "--json"]) == 0
    content = one_object(capsys.readouterr().out)
    assert content == dict.fromkeys(STATUS)
    assert not (checkout / ".carousel/mlflow.db").exists()


def test_status_of_a_champion(promoted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["status", "--json"]) == 0
    content = one_object(capsys.readouterr().out)
    assert list(content) == STATUS
    assert content["champion"]["version"] == 1
    assert content["since"].startswith("20")
    assert content["data"]["as_of"].startswith("2026-03-01")
    assert content["verdict"]["verdict"] == "promote"
    assert content["drift"]["drifted"] is False
    assert cli.run(["status"]) == 0
    assert "version: 1" in capsys.readouterr().out


def test_doctor_gives_advice(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor", "--json"]) == 0, capsys.readouterr()
    content = one_object(capsys.readouterr().out)
    assert content["ok"] is True
    missing = "data.sources={products: [{path: nowhere.csv}], events: [{path: nowhere.csv}]}"
    assert cli.run(["doctor", "--json", "--set", "data.simulated=false", "--set", missing]) == 1
    bad = [f for f in one_object(capsys.readouterr().out)["findings"] if not f["ok"]]
    assert {f["name"] for f in bad} == {"source products", "source events"}
    assert all(f["advice"] for f in bad)


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


NOWHERE = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}


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


def test_doctor_examines_the_shop_of_the_environment(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "my.yaml").write_text(
        "data: {simulated: false, sources: {products: [{path: /nowhere/p.csv}], events: [{path: /nowhere/e.csv}]}}\n"
    )
    monkeypatch.setenv("CAROUSEL_PARAMS", "my.yaml")
    assert cli.run(["doctor", "--json"]) == 1
    bad = [f for f in one_object(capsys.readouterr().out)["findings"] if not f["ok"]]
    assert [f["name"] for f in bad] == ["source products", "source events"]
