"""What `carousel recommend` and `carousel impressions` do."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.errors import ContractError
from components.offline.model import read_quota
from flows.export import export
from flows.offline_lists import log_shown, make_request, recommend, show


def test_the_champion_answers_for_a_history(promoted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = make_request(None, "sku-2, sku-4", 3, ["price < 6"], False, 0.0)
    done = recommend(request, None, None, [], [])
    assert done == recommend(request, 1, None, [], [])
    assert [item["item_id"] for item in done["items"]] == [
        item["item_id"] for item in recommend(request, None, promoted / "bundle", [], [])["items"]
    ]
    assert (done["version"], done["model"], done["reason"]) == (1, "ease", None)
    assert all(int(item["item_id"].removeprefix("sku-")) % 2 == 0 for item in done["items"])  # even, as the history
    show(done)
    out = capsys.readouterr().out
    assert "version 1, ease" in out
    assert done["items"][0]["title"] in out


def test_wrong_requests_are_errors() -> None:
    with pytest.raises(ContractError, match="expected a user or --history"):
        make_request(None, None, 10, [], False, 0.0)
    with pytest.raises(ContractError, match="expected a user or --history"):
        make_request("ann", "sku-1", 10, [], False, 0.0)
    with pytest.raises(ContractError, match=r"user, history or quotas: user_id: .*not an id"):
        make_request("NU\0LL", None, 10, [], False, 0.0)
    with pytest.raises(ContractError, match=r"quotas: .*11 items or more, and the list has k = 10"):
        make_request("ann", None, 10, [], False, 0.0, ["article:11"])
    for text in ("article", ":1", "article:x", "article:1:2:3", "article:-1"):
        with pytest.raises(ContractError, match="expected KIND:LEAST or KIND:LEAST:MOST"):
            read_quota(text)


def test_a_quota_is_read() -> None:
    (quota,) = make_request("ann", None, 10, [], False, 0.0, ["article:2:3"]).quotas
    assert (quota.kind, quota.at_least, quota.at_most) == ("article", 2, 3)
    assert read_quota("video:1").at_most is None


def test_shown_lists_are_in_the_exposure_log(promoted: Path) -> None:
    export_id = export.fn(to="lists.csv", k=4)["export_id"]
    (promoted / "shown.csv").write_text(f"list_id,timestamp\n{export_id}-0,2026-03-02T08:00:00Z\n")
    done = log_shown("lists.csv", "recommendations", promoted / "shown.csv", [], [])
    assert (done["n_lists"], done["n_rows"], done["n_unknown"]) == (1, 4, 0)
    (file,) = (promoted / ".carousel/shops/carousel/serving/exposures").glob("*.parquet")
    assert pq.read_table(file)["user_id"].to_pylist() == ["u1"] * 4
