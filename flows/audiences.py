"""What `carousel audience` does: an audience of what is published, as files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from components.applications.marketing.audience import AudienceRequest, Recommend, make_audience
from components.applications.marketing.export import check_suffix, write_audience
from components.applications.marketing.published import read_published
from components.applications.publish import find_published
from components.errors import ContractError
from components.offline.sources import open_store
from components.offline.users import UserFile
from components.release.written_files import note_written
from components.rule_language import RuleError
from components.serving.schemas import RecommendRequest
from components.times import now_micros
from flows.export import open_model
from flows.workspace import Workspace

BATCH_USERS = 256  # whose lists are scored at once


def read_ids(path: Path, null_ids: Collection[str]) -> list[str]:
    """Return the distinct user ids of a file, as `carousel export --users` reads them; raises ContractError."""
    pages = UserFile(path, null_ids).pages(BATCH_USERS, 0, "")
    return list(dict.fromkeys(user for page in pages for user in page))


def write_members(workspace: Workspace, request: AudienceRequest, out: Path, products: bool) -> dict[str, Any]:
    """Write both files; return how many users each holds. Raises ContractError where nothing is published."""
    check_suffix(out)
    folder = find_published(workspace.shop, "marketing")
    if folder is None:
        raise ContractError("no audiences are published; run `carousel marketing` first")
    found = read_published(folder)
    try:
        made = make_audience(
            found.users, request, found.summary.holdout_share, _first_products(workspace) if products else None
        )
    except RuleError as error:
        raise ContractError(f"expression: {error}") from None
    others = out.with_name(f"{out.stem}.holdout{out.suffix}")
    write_audience(out, made.members)
    write_audience(others, made.held_out)
    note_written(workspace.shop, out, others)
    return {
        "campaign": request.campaign,
        "as_of": found.summary.as_of,
        "users": len(made.members),
        "held_out": len(made.held_out),
        "unknown": made.n_unknown,
        "files": [str(out), str(others)],
    }


def _first_products(workspace: Workspace) -> Recommend:
    """Return a function that gives the first product of the champion's list of each user."""

    def recommend(user_ids: list[str]) -> list[str | None]:
        store = open_store(workspace.settings, workspace.params, workspace.root)
        try:
            model = open_model(workspace, store, None, None)
            found: list[str | None] = []
            for start in range(0, len(user_ids), BATCH_USERS):
                requests = [RecommendRequest(user_id=user, k=1) for user in user_ids[start : start + BATCH_USERS]]
                lists = model.recommend_batch(requests, now_micros())
                found += [done.items[0].item_id if done.items else None for done in lists]
            return found
        finally:
            store.close()

    return recommend
