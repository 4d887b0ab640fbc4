"""Merged lists of files, and votes computed by hand."""

from pathlib import Path

import pytest

from components.errors import ContractError
from components.experiments.interleaved_lists import judge_clicks, merge_lists, read_lists, to_table


def lists(path: Path, prefix: str, users: int = 40) -> Path:
    rows = [f"u{u},{position},{prefix}{position}" for u in range(users) for position in (2, 1, 3)]
    path.write_text("user_id,position,item_id\n" + "\n".join(rows) + "\n")
    return path


def test_lists_are_read_in_the_order_of_position(tmp_path: Path) -> None:
    assert read_lists(lists(tmp_path / "a.csv", "a", 1)) == {"u0": ["a1", "a2", "a3"]}


def test_ids_of_digits_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,position,item_id\n007,1,0012\n007,2,1e3\n")
    (tmp_path / "clicks.csv").write_text("user_id,item_id\n007,0012\n")
    one = read_lists(tmp_path / "a.csv")
    assert one == {"007": ["0012", "1e3"]}
    report = judge_clicks(merge_lists(one, one, 2, "s"), tmp_path / "clicks.csv", 0, 0.05, 40)
    assert (report.clicks, report.other_clicks) == (1, 0)


def test_users_of_both_files_get_a_merged_list(tmp_path: Path) -> None:
    one, other = read_lists(lists(tmp_path / "a.csv", "a", 3)), read_lists(lists(tmp_path / "b.csv", "b", 2))
    merged = merge_lists(one, other, 4, "s")
    assert sorted(merged) == ["u0", "u1"]
    assert all(sorted(m.items) == ["a1", "a2", "b1", "b2"] for m in merged.values())
    assert merged == merge_lists(one, other, 4, "s")
    table = to_table(merged)
    assert table["position"].to_pylist() == [1, 2, 3, 4] * 2
    assert [item[0] for item in table["item_id"].to_pylist()] == ["ab"[t] for t in table["team"].to_pylist()]


def test_the_list_whose_products_are_clicked_is_preferred(tmp_path: Path) -> None:
    one, other = read_lists(lists(tmp_path / "a.csv", "a")), read_lists(lists(tmp_path / "b.csv", "b"))
    merged = merge_lists(one, other, 4, "s")
    clicks = [f"u{n},b1" for n in range(39)] + ["u39,a1", "u0,a1", "u0,z9", "u99,b1"]
    (tmp_path / "clicks.csv").write_text("user_id,item_id\n" + "\n".join(clicks) + "\n")
    report = judge_clicks(merged, tmp_path / "clicks.csv", 0, alpha=0.05, target_users=40)
    assert (report.users, report.clicks, report.other_clicks, report.voters) == (40, 41, 2, 40)
    assert report.preference == pytest.approx((38 * 1 + 0 - 1) / 40)  # u0 clicked on both
    assert report.verdict == "second"


def test_without_clicks_nothing_is_decided(tmp_path: Path) -> None:
    one = read_lists(lists(tmp_path / "a.csv", "a"))
    report = judge_clicks(merge_lists(one, one, 2, "s"), None, 3, 0.05, 40)
    assert (report.preference, report.low, report.verdict, report.only_one) == (None, None, "not decided", 3)


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,item_id\nu,i\n")
    with pytest.raises(ContractError, match="no column position"):
        read_lists(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("user_id,position,item_id\nu,,i\n")
    with pytest.raises(ContractError, match="a position"):
        read_lists(tmp_path / "b.csv")
