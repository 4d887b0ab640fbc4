"""Output on standard output and standard error."""

import json
import logging

import pytest

from components.errors import ParamsError
from flows import terminal


def printed_text(line: str) -> str | None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s", (line,), None)
    return record.getMessage() if terminal.Lines().filter(record) else None


@pytest.mark.parametrize(
    "line",
    [
        "To track the changes with git, run:",
        "\tgit add dvc.lock",
        "Updating lock file 'dvc.lock'",
        "> python -m a.b",
        "",
    ],
)
def test_dvc_hints_are_dropped(line: str) -> None:
    assert printed_text(line) is None


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("12:30:01 ingest products: 3 read", "ingest products: 3 read"),
        ("ingest: expected 3 rows, came 2", "ingest: expected 3 rows, came 2"),
        ("100 % done", "100 % done"),
    ],
)
def test_lines_of_a_stage_are_printed(line: str, printed: str) -> None:
    assert printed_text(line) == printed


def test_a_known_fault_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.fault(ParamsError("seed: expected an integer"), as_json=False)
    assert capsys.readouterr() == ("", "carousel: seed: expected an integer\n")


def test_a_fault_as_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.fault(ParamsError("größer\n als"), as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": "größer\n als", "kind": "ParamsError"}
    assert out.count("\n") == 1
    assert not err


def test_an_unknown_fault_prints_its_traceback_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError as error:
        terminal.fault(error, as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out)["error"] == "ZeroDivisionError: by zero"
    assert "test_terminal.py" in err


def test_markup_in_values_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show({"reasons": ["[bold]x[/bold]"], "since": None}, as_json=False)
    out = capsys.readouterr().out
    assert "[bold]x[/bold]" in out
    assert "since" in out


@pytest.mark.parametrize("columns", ["30", "80"])
def test_no_cell_of_a_table_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    row = {f"column {n}": f"2026-05-0{n} to 2026-06-0{n}" for n in range(1, 7)}
    terminal.show_columns([row], "nothing")
    header, line = capsys.readouterr().out.splitlines()
    assert all(name in header and value in line for name, value in row.items())
