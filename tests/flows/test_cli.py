"""`carousel VERB`: exit codes, one JSON object, one message per error, a quick start."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from flows import cli
from tests.flows.command import one_object

HEAVY = ("torch", "mlflow", "dvc", "prefect", "evidently", "pandas", "pyarrow", "numpy", "lightning", "duckdb")
VERBS = ["retrain", "monitor", "decide", "promote", "rollback", "serve", "reproduce", "doctor", "status"]
VERBS += ["tune", "curve", "params", "gc", "keep"]


def test_help_names_every_verb_and_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, flows.cli\ncode = flows.cli.run([])\n"
        f"sys.exit(code or ' '.join(m for m in {HEAVY} if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f" {verb} " in done.stdout for verb in VERBS)


def test_flows_load_no_library_of_training_until_a_task_needs_it() -> None:
    code = "import sys, flows.retrain, flows.refresh, flows.monitor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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


def find_verbs(command: Any) -> Iterator[Any]:
    for verb in command.commands.values():
        yield from find_verbs(verb) if hasattr(verb, "commands") else [verb]


def test_every_verb_has_an_example_that_is_understood() -> None:
    root: Any = get_command(cli.app)
    verbs = list(find_verbs(root))
    assert len(verbs) == len(cli.VERBS) + 5 + 3  # of `carousel experiment` and `carousel federated`
    for example in (example for verb in verbs for example in verb.epilog.split("\n\n")):
        words = shlex.split(example.removeprefix("Example: carousel "))
        command, context = root, None
        while words and hasattr(command, "commands"):
            name = words.pop(0)
            command, context = command.commands[name], command.make_context(name, [name], resilient_parsing=True)
        command.make_context(str(command.name), words, parent=context)


def test_a_shell_completes_verbs(tmp_path: Path) -> None:
    asked = {"_CAROUSEL_COMPLETE": "complete_bash", "COMP_WORDS": "carousel re", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-m", "flows.cli"], env=os.environ | asked, capture_output=True, text=True)
    assert done.stdout.split() == ["retrain", "refresh", "reproduce", "recommend"]
