"""Sections data, split and profiles accept only consistent values."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("split.target_events=[click, return]", "no weight for target events"),
        ("profiles.windows_days=[30, 7]", "must rise"),
        ("profiles.horizon_days=60", "stay within horizon_days 60"),
        ("profiles.half_life_days=0", "profiles.half_life_days"),
        ("data.as_of=20260301", "data.as_of: Value error, expected a time such as 2026-06-01"),
        ("data.as_of=yesterday", "data.as_of"),
        ("data.sources={events: [{path: x.csv}]}", "data.sources.products is empty"),
        ("data.sources={products: [{path: p.csv}], events: [{attach: shop.db}]}", "needs `type` and `query`"),
        ("data.sources={products: [{path: p.csv, columns: {sku: x}}], events: [{path: e.csv}]}", "unknown columns"),
        ("shop.days=13", "shop.days"),
    ],
)
def test_a_wrong_value_is_refused_by_name(refusal: Callable[[str], str], override: str, named: str) -> None:
    assert named in refusal(override)


@pytest.mark.parametrize("attach", ["postgresql://ann:Tr0ub4dor@db/shop", "host=db user=ann password=Tr0ub4dor"])
def test_a_password_that_is_written_out_is_refused_and_not_repeated(refusal: Callable[[str], str], attach: str) -> None:
    database = f"{{attach: '{attach}', type: postgres, query: SELECT 1}}"
    message = refusal(f"data.sources={{products: [{database}], events: [{{path: e.csv}}]}}")
    assert "write ${NAME}" in message
    assert "Tr0ub4dor" not in message
    variable = attach.replace("Tr0ub4dor", "${SHOP_PASSWORD}")
    assert "write ${NAME}" not in refusal(f"data.sources={{products: [{{attach: '{variable}'}}]}}")
