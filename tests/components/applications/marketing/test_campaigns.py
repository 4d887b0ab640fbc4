"""Campaign tables: every row is valid, or counted with the rule that it breaks."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from components.applications.marketing.campaigns import read_campaigns
from components.errors import ContractError
from components.params import LookupParams, SourceParams

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ROWS = """user_id,campaign,timestamp,treated,responded
u1,a,2026-01-01,true,yes
u1,a,2026-01-01,true,yes
u2,a,2026-01-01,true,0
u2,a,2026-01-01,false,0
null,a,2026-01-01,1,0
u3,a,2026-13-01,1,0
u4,a,2026-01-02T03:00:00+01:00,maybe,0
u5,a,2026-01-02 03:00:00,,0
u6,a,2026-07-02 03:00:00,false,0
u7,b,2026-01-03T01:00:00+01:00,0,1
"""


def test_each_row_is_valid_or_counted(tmp_path: Path) -> None:
    (tmp_path / "campaigns.csv").write_text(ROWS)
    found = read_campaigns([SourceParams(path="campaigns.csv")], tmp_path, NOW)
    assert found.counts == {"read": 10, "valid": 2, "invalid": 6, "after_as_of": 1, "duplicate": 1, "filtered": 0}
    assert found.rows[["user_id", "campaign", "treated", "responded"]].values.tolist() == [
        ["u1", "a", True, True], ["u7", "b", False, True],
    ]  # fmt: skip
    assert [str(time) for time in found.rows["timestamp"]] == ["2026-01-01 00:00:00", "2026-01-03 00:00:00"]
    assert sorted(found.quarantine["rule"]) == [
        "timestamp: not a time", "treated: missing", "treated: not a boolean", "user_id: missing",
        *["user_id: several different rows in one campaign"] * 2,
    ]  # fmt: skip
    assert (found.quarantine["file"] == "campaigns.csv").all()
    assert "maybe" in " ".join(found.quarantine["raw"])


def test_columns_are_mapped_and_treated_may_be_absent(tmp_path: Path) -> None:
    (tmp_path / "sent.jsonl").write_text(
        '{"who": "u1", "day": "2026-01-01", "bought": "2026-01-05"}\n{"who": "u2", "day": "2026-01-01"}\n'
    )
    columns = {
        "user_id": "who", "campaign": "'spring'", "timestamp": "day", "treated": "true",
        "responded": "bought IS NOT NULL", "responded_at": "bought",
    }  # fmt: skip
    rows = read_campaigns([SourceParams(path="sent.jsonl", columns=columns)], tmp_path, NOW).rows
    assert rows["responded"].tolist() == [True, False]
    assert [str(time)[:10] for time in rows["responded_at"]] == ["2026-01-05", "NaT"]
    (tmp_path / "sent.csv").write_text("user_id,campaign,timestamp,responded\nu1,a,2026-01-01,0\nu2,b,2026-01-01,0\n")
    found = read_campaigns([SourceParams(path="sent.csv", where="campaign <> 'b'")], tmp_path, NOW)
    assert found.rows["treated"].tolist() == [True]
    assert found.counts["filtered"] == 1


def test_lookups_join_other_files(tmp_path: Path) -> None:
    (tmp_path / "sent.csv").write_text("who,name\nu1,spring\nu2,spring\nu3,autumn\n")
    (tmp_path / "names.csv").write_text("name,day\nspring,2026-03-01\nautumn,2026-09-01\n")
    (tmp_path / "orders.csv").write_text("who,ordered\nu1,2026-03-09\nu1,2026-03-05\n")
    lookups = {
        "day_of": LookupParams(path="names.csv", key="name", value="day"),
        "order_of": LookupParams(path="orders.csv", key="who", value="min(ordered) OVER (PARTITION BY who)"),
    }
    columns = {
        "user_id": "who", "campaign": "name", "timestamp": "day_of(name)", "treated": "true",
        "responded": "order_of(who) IS NOT NULL", "responded_at": "order_of(who)",
    }  # fmt: skip
    source = SourceParams(path="sent.csv", columns=columns)
    found = read_campaigns([source], tmp_path, NOW, lookups)
    assert found.counts["after_as_of"] == 1
    assert found.rows["responded"].tolist() == [True, False]
    assert [str(time)[:10] for time in found.rows["responded_at"]] == ["2026-03-05", "NaT"]
    with pytest.raises(ContractError, match="day_of"):
        read_campaigns([source], tmp_path, NOW)


def test_a_response_before_the_campaign_or_without_response_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(
        "user_id,campaign,timestamp,responded,responded_at\nu1,a,2026-01-05,1,2026-01-04\nu2,a,2026-01-05,0,2026-01-06\n"
    )
    found = read_campaigns([SourceParams(path="c.csv")], tmp_path, NOW)
    assert found.quarantine["rule"].tolist() == [
        "responded_at: before timestamp", "responded_at: of a user who did not respond",
    ]  # fmt: skip


def test_a_database_and_a_file_are_read_together(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as database:
        database.execute(
            "CREATE TABLE sent AS SELECT 'u9' AS user_id, 'c' AS campaign, DATE '2026-02-01' AS timestamp, "
            "true AS responded"
        )
    (tmp_path / "c.csv").write_text(ROWS)
    crm = SourceParams(attach="crm.duckdb", type="duckdb", query="SELECT * FROM $db.sent")
    assert read_campaigns([SourceParams(path="c.csv"), crm], tmp_path, NOW).counts["valid"] == 3


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"answer": "responded"}, r"maps unknown columns \['answer'\]"),
        ({"treated": "nobody_has_this"}, "nobody_has_this"),
        ({"treated": "1 +"}, "expected an SQL expression"),
    ],
)
def test_a_wrong_mapping_is_refused(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    (tmp_path / "campaigns.csv").write_text(ROWS)
    with pytest.raises(ContractError, match=message):
        read_campaigns([SourceParams(path="campaigns.csv", columns=columns)], tmp_path, NOW)
