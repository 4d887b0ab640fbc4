"""Published files: read as they were written; a run starts from those of an earlier moment only."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from components.applications.marketing.activity import category_counts, user_table
from components.applications.marketing.campaigns import Campaigns
from components.applications.marketing.published import (
    MarketingSummary,
    read_previous,
    read_published,
    write_published,
)
from components.applications.marketing.segments import segment_users, summarise_segments
from components.errors import ContractError
from tests.components.applications.marketing.shop import NOW, small_shop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shop = small_shop()
    users = user_table(shop, NOW)
    found = segment_users(users, category_counts(shop, NOW), NOW, 2, seed=0)
    summary = MarketingSummary(
        as_of=NOW.isoformat(),
        holdout_share=0.1,
        has_response_model=False,
        has_uplift_model=False,
        segments=summarise_segments(found),
    )
    write_published(tmp_path / "marketing", summary, users, found, Campaigns.no_rows())
    return tmp_path / "marketing"


def test_users_and_summary_are_read_as_they_were_written(folder: Path) -> None:
    found = read_published(folder)
    assert found.summary.holdout_share == 0.1
    pd.testing.assert_frame_equal(found.users, user_table(small_shop(), NOW))


def test_a_run_starts_from_the_segments_of_an_earlier_moment(folder: Path) -> None:
    later = read_previous(folder, NOW + timedelta(days=7))
    assert later is not None
    assert later.state.as_of == NOW.isoformat()
    assert later.members.columns.tolist() == ["user_id", "recency", "frequency", "value", "cluster"]
    assert read_previous(folder, NOW) is None
    assert read_previous(None, NOW) is None


def test_a_damaged_file_is_refused(folder: Path) -> None:
    (folder / "users.parquet").write_bytes(b"no table")
    with pytest.raises(ContractError, match="run `carousel marketing` again"):
        read_published(folder)
