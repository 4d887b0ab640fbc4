"""Audiences as files: ids of a text file, counts of what is unknown, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from components.applications.marketing.audience import AudienceRequest
from components.errors import ContractError
from flows.audiences import read_ids, write_members
from flows.workspace import Workspace, open_workspace
from tests.components.applications.marketing.published_shop import publish_small_shop


@pytest.fixture
def workspace(checkout: Path, tmp_path: Path) -> Workspace:
    """Return a workspace in which the small shop's marketing is published."""
    found = open_workspace([], [], None)
    publish_small_shop(tmp_path / "made", found.shop)
    return found


def write(workspace: Workspace, out: Path, **request: Any) -> dict[str, Any]:
    return write_members(workspace, AudienceRequest(campaign="spring", **request), out, products=False)


def test_ids_are_read_one_a_line(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("\ufeffu1\n\n u2 \nu1\n", encoding="utf-8")
    assert read_ids(tmp_path / "ids.txt", []) == ["u1", "u2"]
    with pytest.raises(ContractError, match="expected a text file"):
        read_ids(tmp_path / "none.txt", [])


def test_users_that_the_shop_does_not_know_are_counted(workspace: Workspace, tmp_path: Path) -> None:
    done = write(workspace, tmp_path / "a.csv", like=[*(f"u{n:03d}" for n in range(20)), "nobody", "no-one"])
    assert done["unknown"] == 2
    assert done["files"] == [str(tmp_path / "a.csv"), str(tmp_path / "a.holdout.csv")]
    assert all(Path(file).is_file() for file in done["files"])


def test_the_same_campaign_holds_out_the_same_users(workspace: Workspace, tmp_path: Path) -> None:
    write(workspace, tmp_path / "a.csv", expression="orders >= 1")
    write(workspace, tmp_path / "b.csv", expression="orders >= 1")
    assert (tmp_path / "a.holdout.csv").read_bytes() == (tmp_path / "b.holdout.csv").read_bytes()


def test_a_wrong_expression_or_suffix_writes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="expression: "):
        write(workspace, tmp_path / "a.csv", expression="orders >")
    with pytest.raises(ContractError, match=r"\.csv or \.parquet"):
        write(workspace, tmp_path / "a.xlsx", expression="orders > 1")
    assert not list(tmp_path.glob("a.*"))
