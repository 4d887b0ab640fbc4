"""Text from data is escaped."""

import html

import pytest

from components.contracts import Check, Decision, DriftVerdict
from flows import markdown

SLY = "a | b\n# c <img src=x> [d](http://e) *f*"


def drifted(**changes: object) -> DriftVerdict:
    values: dict[str, object] = {
        "drifted": True, "computable": True, "reasons": [SLY], "columns": {"price": 0.25}, "thresholds": {},
        "n_reference": 9, "n_current": 9, "reference": "champion 3",
    }  # fmt: skip
    return DriftVerdict.model_validate(values | changes)


def test_text_is_escaped_on_one_line() -> None:
    text = markdown.escaped(SLY)
    assert "\n" not in text
    assert "<img" not in text
    assert r"\|" in text
    assert r"\[d\]" in text


@pytest.mark.parametrize(
    ("text", "inert"),
    [
        ("thanks @octocat", "@octocat"), ("(@org/team)", "@org"), ("see #12", "#12"), ("owner/repo#3", "#3"),
        ("fixes !45", "!45"), ("GH-7", "GH-7"), ("http://evil.example/x", "http://"), ("HTTPS://evil.example", "://"),
        ("ssh://git@evil.example", "://"), ("www.evil.example", "www."), ("WWW.evil.example", "WWW."),
        ("mail ann@evil.example", "@evil"), ("mailto:ann@evil.example", "mailto:ann"), ("~label", "~label"),
        ("%milestone", "%milestone"), ("$12", "$12"), ("&5", "&amp;5"),
    ],
)  # fmt: skip
def test_text_mentions_refers_and_links_nobody(text: str, inert: str) -> None:
    line = markdown.escaped(text)
    assert inert not in line
    assert html.unescape(line).replace(markdown.BREAK, "").replace("\\", "") == text  # a reader sees the same text


@pytest.mark.parametrize("text", ["/close", "# heading", "> quotation", "- item", "+ item", "1. item", "===", "---"])
def test_text_begins_no_block_and_is_no_command(text: str) -> None:
    assert markdown.escaped(text) == markdown.BREAK + text.replace(">", "&gt;")


@pytest.mark.parametrize("text", ["0.2000", "+0.1500", "-0.5", "30 % of rows", "5 items; 3 users", "a and b"])
def test_numbers_and_plain_text_are_unchanged(text: str) -> None:
    assert markdown.escaped(text) == text


def test_text_cannot_reorder_what_is_around_it() -> None:
    assert markdown.escaped("safe\u202e exe.\u2066x") == "safe exe.x"


def test_heads_of_a_table_are_escaped() -> None:
    assert "@ann" not in markdown.table([{"against @ann": "1"}])
    assert "<b>" not in markdown.table([{"<b>": "1"}])


def test_a_table_keeps_its_cells_with_any_text() -> None:
    lines = markdown.table([{"x": "1", "y": SLY}, {"y": "2", "x": ""}]).splitlines()
    assert lines[:2] == ["| x | y |", "| --- | --- |"]
    assert lines[3] == "|  | 2 |"
    assert len(lines) == 4


def test_verdict_with_reasons_and_checks() -> None:
    check = Check(name="slice user:cold", passed=False, value=None, limit=0.1, why=SLY)
    decision = Decision(
        verdict="not_enough_evidence", mode="enabled", bootstrap=False, reasons=[SLY], checks=[check], gain=None,
        users_needed=None, challenger_version=1, challenger_digest="d", champion=None, primary="ndcg_at_10",
        as_of="", evaluation_digest="", decided_at="",
    )  # fmt: skip
    text = markdown.verdict(decision)
    assert text.startswith("## Verdict: not enough evidence\n\n- a \\| b # c")
    assert "\n# c" not in text
    assert text.splitlines()[-1].startswith("| NO | slice user:cold |  | 0.1 | a ")


def test_drift_that_cannot_be_computed_is_labelled_not_computable() -> None:
    assert markdown.drift(drifted()).startswith("## drifted\n")
    assert "| price | 0.25 |  |" in markdown.drift(drifted())
    assert markdown.label(drifted(drifted=False)) == "no drift"
    assert markdown.label(drifted(drifted=False, computable=False)) == "not computable"
    assert "|" not in markdown.drift(drifted(columns={}, reasons=["no events"]))
