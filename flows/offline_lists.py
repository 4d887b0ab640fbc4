"""What `carousel recommend` and `carousel impressions` do; `carousel export` is a flow of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.errors import ContractError
from components.io import describe_problems
from components.offline.impressions import log_impressions
from components.offline.model import make_filters, read_quota
from components.offline.sources import open_store
from components.serving.schemas import HistoryEvent, RecommendRequest
from flows.export import find_target, open_model
from flows.workspace import open_workspace


def make_request(
    user: str | None,
    history: str | None,
    k: int,
    rules: Sequence[str],
    in_stock: bool,
    diversity: float,
    quotas: Sequence[str] = (),
) -> RecommendRequest:
    """Return the request, whose answer explains itself. Raises ContractError for no user and no history, or both."""
    if (user is None) == (history is None):
        raise ContractError("expected a user or --history, as in `carousel recommend --history sku-1,sku-2`")
    filters = make_filters(rules, in_stock)
    try:
        events = [HistoryEvent(item_id=item_id) for item_id in (history or "").split(",") if item_id.strip()]
        wanted = [read_quota(text) for text in quotas]
        return RecommendRequest(
            user_id=user, history=events, k=k, filters=filters, diversity=diversity, quotas=wanted, explain=True
        )
    except ValueError as error:
        raise ContractError(f"user, history or quotas: {describe_problems(error)}") from None


def recommend(
    request: RecommendRequest,
    version: int | None,
    bundle: Path | None,
    overrides: Sequence[str],
    overlays: Sequence[str],
) -> dict[str, Any]:
    """Return version, model, reason and items of one list, as POST /recommend does."""
    workspace = open_workspace(overlays, overrides, None)
    store = open_store(workspace.settings, workspace.params, workspace.root)
    try:
        model = open_model(workspace, store, version, str(bundle) if bundle else None)
        found = model.recommend(request)
    finally:
        store.close()
    items = [item.model_dump() for item in found.items]
    return {"version": model.version, "model": found.model, "reason": found.reason, "items": items}


def show(done: dict[str, Any]) -> None:
    """Print the list as a table, and who made it."""
    from flows import terminal

    made_by = f"version {done['version']}" if done["version"] else "bundle folder"
    terminal.write(f"{made_by}, {done['model']}{': ' + done['reason'] if done['reason'] else ''}\n")
    rows = [
        {
            "": str(position),
            "item_id": item["item_id"],
            "title": item["title"],
            "score": f"{item['score']:.4f}",
            "added by": ", ".join(f"{part} {value:+.4f}" for part, value in item["contributions"].items() if value),
            "most like": item["explained_by"] or "",
        }
        for position, item in enumerate(done["items"], 1)
    ]
    terminal.show_columns(rows, "no product may be listed")


def log_shown(lists: str, table: str, shown: Path, overrides: Sequence[str], overlays: Sequence[str]) -> dict[str, Any]:
    """Log the impressions; return how many."""
    workspace = open_workspace(overlays, overrides, None)
    target = find_target(workspace, lists, table)
    store = open_store(workspace.settings, workspace.params, workspace.root)
    try:
        per_file = workspace.params.serving.exposures.rows_per_file
        done = log_impressions(target, shown, store, workspace.shop / "serving/exposures", per_file)
    finally:
        store.close()
    return done.model_dump()
