"""Files of a backtest."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

from components.backtest.replay import Backtest
from components.backtest.report import (
    fault_table,
    markdown,
    period_table,
    policy_table,
    refusal_table,
    rule_table,
    write_report,
)
from tests.components.backtest.support import make_backtest


def test_tables_hold_the_numbers() -> None:
    backtest = make_backtest()
    assert policy_table(backtest)[2] == {
        "policy": "refresh",
        "ndcg_at_10": "0.1600",
        "over superiority": "+6.7 %",
        "over newest": "-20.0 %",
        "worst period against never": "-10.0 %",
        "CPU s": "30",
        "retrains promoted": "-",
        "refreshes refused": "1 of 2",
        "recipes": "1",
    }
    assert period_table(backtest)[1] == {
        "from": "2026-01-08", "to": "2026-01-15", "users": "101",
        "never": "0.1000", "superiority": "0.1000", "refresh": "0.1900", "newest": "0.2000",
    }  # fmt: skip
    (row,) = fault_table(backtest)
    assert row["refused where it costs 5 % or more"] == "1 of 1"
    assert row["ships after mending"] == "1 of 2"
    (rule,) = rule_table(backtest)
    assert list(rule.values()) == ["error", "1", "1", "1", "1", "1"]


def test_every_pass_that_did_not_ship_has_its_reason() -> None:
    rows = refusal_table(make_backtest())
    assert [(row["data"], row["policy"], row["as of"], row["verdict"], row["why"]) for row in rows] == [
        ("sound", "superiority", "2026-01-08", "not enough evidence", "reason 1"),
        ("sound", "refresh", "2026-01-15", "keep", "reason 2"),
        ("gap", "refresh", "2026-01-01", "keep", "reason 0"),
    ]


def test_the_report_is_complete_and_its_bytes_are_stable(tmp_path: Path) -> None:
    backtest = make_backtest()
    for name in ("one", "two"):
        write_report(tmp_path / name, backtest)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["backtest.json", "backtest.md", "compute.svg", "quality.svg", "report.html"]
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)
    assert Backtest.model_validate(json.loads((tmp_path / "one/backtest.json").read_bytes())) == backtest
    for name in ("quality", "compute"):
        assert ET.parse(tmp_path / f"one/{name}.svg").getroot().get("role") == "img"
    page = (tmp_path / "one/report.html").read_text()
    assert "new &lt;b&gt;" in page
    assert page.count("<svg") == 2
    assert "reason 2" in page


def test_markdown_has_a_header_and_no_stray_column() -> None:
    assert markdown([{"a": "1", "b": "x|y"}]) == "| a | b |\n| --- | --- |\n| 1 | x/y |\n"
    assert markdown([]) == ""
