"""`carousel params`: each parameter with value, unit, effect and where it is set."""

import json
from pathlib import Path

import pytest

from components import params
from components.params.listing import fields
from flows import cli


@pytest.fixture
def overlay(checkout: Path) -> Path:
    """Return an overlay that sets a value of params.yaml, a default, and one key of a dictionary."""
    file = checkout / "shop.yaml"
    file.write_text("gate: {min_gain: 0.25}\nann: {connectivity: 8}\nsearch: {field_weights: {title: 9}}\n")
    return file


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, object]]:
    assert cli.run(["params", "--json", *arguments]) == 0
    content: dict[str, dict[str, object]] = json.loads(capsys.readouterr().out)
    return content


def test_all_parameters_have_value_meaning_and_origin(
    checkout: Path, overlay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shown(capsys, "--all", "--params", str(overlay), "--set", "trainer.patience=7")
    assert list(found) == [name for name, _ in fields(params.Params)]
    assert all(row["description"] for row in found.values())
    expected = {
        "gate.min_gain": (0.25, "shop.yaml"),
        "ann.connectivity": (8, "shop.yaml"),
        "ann.expansion_add": (192, "default"),
        "trainer.patience": (7, "--set"),
        "split.validation_days": (14, "params.yaml"),
    }
    for name, (value, origin) in expected.items():
        assert (found[name]["value"], found[name]["origin"]) == (value, origin), name
    assert found["search.field_weights"]["value"] == {"title": 9, "brand": 2, "category": 2, "text": 1}
    assert found["ann.expansion_add"]["description"].startswith("items visited when one is added")  # type: ignore[attr-defined]
    assert found["split.validation_days"]["description"] == "days of the validation window"


def test_without_all_only_what_a_file_or_option_sets(
    checkout: Path, overlay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shown(capsys, "--params", str(overlay))
    assert "ann.connectivity" in found
    assert "ann.expansion_add" not in found
    assert "default" not in {row["origin"] for row in found.values()}


def test_plain_lines_where_there_is_no_terminal(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["params"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "split.validation_days: 14.0  # days of the validation window (params.yaml)" in lines
    assert not [line for line in lines if line.startswith("ann.")]


def test_a_table_on_a_terminal(
    checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.run(["params"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split("  ")[0].strip() == "parameter"
    assert any(row.startswith("split.validation_days ") and "days of the validation window" in row for row in rows)


def test_an_unknown_name_is_a_fault(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["params", "--set", "gate.gain=1"]) == 1
    assert "unknown parameter gate.gain; did you mean min_gain?" in capsys.readouterr().err


def test_the_moment_of_a_real_shop_is_shown_as_that_of_params_yaml(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "p.csv").write_text("item_id\na\n")
    sources = "data.sources={products: [{path: p.csv}], events: [{path: p.csv}]}"
    real = ["--set", "data.simulated=false", "--set", sources]
    assert shown(capsys, *real)["data.as_of"]["origin"] == "params.yaml"
    named = shown(capsys, *real, "--set", "data.as_of=2026-01-15")["data.as_of"]
    assert (named["value"], named["origin"]) == ("2026-01-15T00:00:00Z", "--set")
