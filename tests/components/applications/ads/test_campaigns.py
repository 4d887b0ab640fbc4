"""The table of ads: types, rules, quarantine."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.applications.ads.campaigns import NO_END, Ad, ads_of, check_ads, read_ads
from components.errors import ContractError
from components.times import DAY_US

GOOD = {"ad_id": "a1", "item_id": "sku-1", "campaign": "spring", "bid": "0.5", "bid_type": "click",
        "daily_budget": "100"}  # fmt: skip


def test_a_full_row() -> None:
    row = GOOD | {"start": "1970-01-02", "end": "1970-01-03T00:00:00+00:00", "targeting": "tag:tea", "cap": "3",
                  "cap_hours": "12", "text": "Tea"}  # fmt: skip
    table = check_ads([row], {"sku-1"})
    assert table.ads == [
        Ad("a1", "sku-1", "Tea", "spring", 0.5, "click", 100.0, DAY_US, 2 * DAY_US, "tag:tea", 3, 12.0)
    ]
    assert table.counts == {"read": 1, "valid": 1}
    assert table.budgets == {"spring": 100.0}
    assert ads_of(table.to_arrow()) == table.ads


def test_defaults_are_always_and_everybody() -> None:
    (ad,) = check_ads([GOOD], {"sku-1"}).ads
    assert (ad.start, ad.end, ad.targeting, ad.cap, ad.cap_hours) == (0, NO_END, "", 0, 24.0)
    assert ad.is_active(0)
    assert not ad.is_active(NO_END)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"ad_id": None}, "ad_id is missing"),
        ({"bid": ""}, "bid is missing"),
        ({"item_id": None}, "neither item_id nor text"),
        ({"item_id": "sku-9"}, "item_id is not in products"),
        ({"bid": "nan"}, "bid is not a number above 0"),
        ({"bid": "inf"}, "bid is not a number above 0"),
        ({"bid": "-1"}, "bid is not a number above 0"),
        ({"bid": "101"}, "bid is above daily_budget"),
        ({"bid_type": "view"}, "bid_type is not click or purchase"),
        ({"daily_budget": "much"}, "daily_budget is not a number above 0"),
        ({"start": "31/12/2025"}, "start is not a time (ISO 8601)"),
        ({"start": "2026-01-02", "end": "2026-01-02"}, "end is not after start"),
        ({"targeting": "tea"}, "targeting is no expression"),
        ({"cap": "1.5"}, "cap is not a whole number from 1 on"),
    ],
)
def test_each_rule(change: dict[str, str | None], rule: str) -> None:
    table = check_ads([GOOD | change], {"sku-1"})
    assert not table.ads
    assert table.counts == {"read": 1, "valid": 0, rule: 1}
    assert table.bad_to_arrow().num_rows == 1


def test_rows_are_checked_beside_each_other() -> None:
    rows = [GOOD, GOOD, GOOD | {"ad_id": "a2", "daily_budget": "50"}, GOOD | {"ad_id": "a3"}]
    table = check_ads(rows, {"sku-1"})
    assert [ad.ad_id for ad in table.ads] == ["a1", "a3"]
    assert [(bad.row, bad.rule) for bad in table.bad] == [
        (2, "ad_id is not unique"), (3, "daily_budget differs from the campaign's first row")
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["ads.csv", "ads.jsonl", "ads.parquet"])
def test_file_formats_and_columns(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "ads.csv":
        path.write_text("id,item_id,campaign,bid,bid_type,daily_budget,extra\na1,sku-1,spring,.5,click,100,x\n")
    elif name == "ads.jsonl":
        path.write_text('{"id": "a1", "item_id": "sku-1", "campaign": "spring", "bid": 0.5, "bid_type": "click", '
                        '"daily_budget": 100}\n')  # fmt: skip
    else:
        columns = {"id": ["a1"], "item_id": ["sku-1"], "campaign": ["spring"], "bid": [0.5], "bid_type": ["click"],
                   "daily_budget": [100]}  # fmt: skip
        pq.write_table(pa.table(columns), path, write_page_checksum=True)
    (ad,) = read_ads(path, {"ad_id": "id"}, {"sku-1"}).ads
    assert (ad.ad_id, ad.bid, ad.daily_budget) == ("a1", 0.5, 100.0)


def test_a_table_without_a_required_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ads.csv").write_text("ad_id,campaign\na1,spring\n")
    with pytest.raises(ContractError, match="no column for bid, bid_type, daily_budget"):
        read_ads(tmp_path / "ads.csv", {}, set())
    with pytest.raises(ContractError, match=r"expected \.csv"):
        read_ads(tmp_path / "ads.xlsx", {}, set())
    with pytest.raises(ContractError, match="cannot be read"):
        read_ads(tmp_path / "none.csv", {}, set())
