"""`carousel ads`: what the service has booked for each campaign, and the log of its choices as a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from components.applications.ads.published import NOT_PUBLISHED, PublishedAds
from components.applications.publish import find_published
from components.errors import ContractError
from components.io import atomic_file
from components.serving.inference.campaign_status import AdsStatus, read_campaigns
from components.times import to_datetime

if TYPE_CHECKING:
    from components.serving.storage.ad_ledger import AdLedger
    from flows.workspace import Workspace

USERS_AT_ONCE = 10_000


def read_status(workspace: Workspace, at: int) -> AdsStatus:
    """Return the campaigns at a time (us); raises ContractError where nothing is published."""
    folder = find_published(workspace.shop, "ads")
    if folder is None:
        raise ContractError(NOT_PUBLISHED)
    published = PublishedAds.load(folder)
    with _ledger(workspace) as ledger:
        return read_campaigns(published, ledger, at)


def write_log(workspace: Workspace, path: Path) -> int:
    """Write all choices in the columns of components/applications/ads/log_file.py; return how many.

    A user who has events is named by the id; others, and those that were deleted, by the hash of the store.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from components.applications.ads.log_file import SCHEMA

    with _ledger(workspace) as ledger:
        rows = list(ledger.log(0))
        names = {ledger.store.tombstone_of(user): user for user in _users(ledger)} if rows else {}
    for row in rows:
        row["user_id"] = names.get(row["user_id"], row["user_id"])
        row["timestamp"] = to_datetime(row["timestamp"])
    with atomic_file(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), temporary, write_page_checksum=True)
    return len(rows)


def show(status: AdsStatus, as_json: bool) -> None:
    """Print the status, as JSON or as a table."""
    from flows import terminal

    if as_json:
        terminal.show(status.model_dump(mode="json"), True)
        return
    rows = [
        {
            "campaign": c.campaign if c.is_active else f"{c.campaign} (not active)",
            "ads": str(c.ads),
            "budget": f"{c.daily_budget:g}",
            "plan until now": f"{c.planned:.2f}",
            "spent": f"{c.spent:.2f}",
            "impressions": str(sum(hour.impressions for hour in c.hours)),
            "clicks": str(sum(hour.clicks for hour in c.hours)),
            "purchases": str(sum(hour.purchases for hour in c.hours)),
        }
        for c in status.campaigns
    ]
    terminal.show_columns(rows, "no campaigns")
    if status.logged is not None:
        terminal.write(f"{status.logged} choices written")


@contextmanager
def _ledger(workspace: Workspace) -> Iterator[AdLedger]:
    from components.serving.storage.ad_ledger import AdLedger
    from components.serving.storage.open_event_store import open_event_store

    settings, shop = workspace.settings, workspace.params.release.name
    store = open_event_store(
        settings.event_store_address, workspace.shop / "serving", shop, secret=settings.erasure_secret
    )
    try:
        yield AdLedger(store)
    finally:
        store.close()


def _users(ledger: AdLedger) -> Iterator[str]:
    after = ""
    while users := ledger.store.list_users(after, USERS_AT_ONCE):
        yield from users
        after = users[-1]
