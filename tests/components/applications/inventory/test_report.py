"""The report: lists of what asks for something, all numbers of all methods, and a page without a back-test."""

from pathlib import Path

import numpy as np
import pandas as pd

from components.applications.inventory.backtest import DemandBacktest, ProductErrors, Scores
from components.applications.inventory.forecasting import Run, make_record
from components.applications.inventory.report import list_rows, loss_lines, score_rows, write_report
from components.applications.inventory.rolling import MODEL
from components.applications.reasons import give_reason


def backtest() -> DemandBacktest:
    scores = Scores({"product": 0.5, "category_1": 0.4}, 0.25, 0.905, {3.0: 1234.4, 9.0: 2000.0})
    items = np.array(["a", "b", "a", "b"])

    def errors(loss: float) -> ProductErrors:
        return ProductErrors(items, np.ones(4), np.ones(4), np.ones(4), np.full(4, loss))

    return DemandBacktest(
        [], 0, [{}, {}], {MODEL: scores, "moving_average": scores}, {MODEL: errors(0.1), "croston": errors(0.05)}
    )


def test_all_numbers_are_in_the_table() -> None:
    first, second = score_rows(backtest())
    assert first == {
        "method": "model", "scaled error, product": "0.500", "scaled error, category 1": "0.400",
        "quantile loss": "0.250", "coverage of 90 %": "90.5%", "cost at 3": "1,234", "cost at 9": "2,000",
    }  # fmt: skip
    assert second["method"] == "moving average"


def test_losses_are_means_over_the_origins_smallest_first() -> None:
    rows = loss_lines(backtest())
    assert [(row.label, round(row.value, 3), row.role) for row in rows] == [
        ("croston", 0.1, "baseline"), ("model", 0.2, "challenger"),
    ]  # fmt: skip
    assert all(row.low <= row.value <= row.high for row in rows)


def test_lists_hold_what_asks_for_something() -> None:
    table = pd.DataFrame(
        {"item_id": ["a", "b", "c"], "title": ["Pot", "", "Cup"], "action": ["order", "order", "none"]}
    )
    table = table.assign(
        demand_per_day=1.234, reorder_point=7.0, order_quantity=1500.0, stock=np.nan, days_since_sale=3.0
    )
    found = list_rows(table)
    assert list(found) == ["order (2)"]
    pot, nameless = found["order (2)"]
    assert (pot["product"], pot["demand a day"], pot["order"], pot["stock"]) == ("Pot", "1.23", "1,500", "")
    assert nameless["product"] == "b"


def test_without_a_backtest_the_page_says_why(tmp_path: Path) -> None:
    reason = give_reason("inventory_short", expected=20, period="week", n=9)
    run = Run(0, [reason], {}, "nothing")
    write_report(tmp_path, run, make_record(run, simulated=False))
    page = (tmp_path / "report.html").read_text()
    assert reason.text in page
    assert "Nothing ships" in page
    assert list((tmp_path / "plots").iterdir()) == []
