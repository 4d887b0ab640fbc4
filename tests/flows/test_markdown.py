"""Text from data is escaped."""

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
