"""A shop's model in a notebook: load it, ask it, measure it. There is no global state; two models can be open at once.

    from components.offline.notebook import load

    shop = load()                                   # the champion of the checkout; load(version=3) another version
    shop.recommend("u-1", k=5)                      # a user with stored events
    shop.recommend(history=["P00001", "P00002"])    # or a history
    load(folder="bundle")                           # a bundle folder: no registry, no stored events

Answers are pandas data frames, and equal to those of the service.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from components import params as parameters
from components.errors import ContractError
from components.io import describe_problems
from components.offline.evaluation import evaluate_frame
from components.offline.model import OfflineModel
from components.offline.sources import check_one, open_folder, open_store, open_version
from components.release.registry import Registry
from components.serving.inference.recommendations import Recommendation
from components.serving.schemas import Body, ItemsRequest, RecommendRequest, SearchRequest, SimilarRequest
from components.settings import Settings

T = TypeVar("T", bound=Body)
PARAMS = Path(__file__).parents[2] / "params.yaml"  # of this version, where the folder has none


def load(
    version: int | None = None,
    folder: str | Path | None = None,
    root: str | Path | None = None,
    overlays: Sequence[str | Path] = (),
    sets: Sequence[str] = (),
) -> ShopModel:
    """Return the champion, a version, or the model of a bundle folder.

    root: the checkout, with params.yaml; None: the current folder, or the nearest one above it that is a checkout
    (Jupyter starts a notebook in the notebook's folder). overlays and sets change parameters, as --params and --set do.
    A bundle folder needs no checkout. Raises CarouselError where there is no such model, or it may not serve.
    """
    check_one(version, folder)
    base = _find_checkout() if root is None else Path(root).resolve()
    settings, own = Settings().resolved(base), base / "params.yaml"
    files = [base / path for path in (*settings.overlays, *overlays)]
    params = parameters.load(own if own.is_file() else PARAMS, files, [*settings.override_lines, *sets])
    if folder is not None:
        return ShopModel(open_folder(Path(folder), params), base)
    if not own.is_file():
        raise ContractError(
            f"{base}: expected a checkout with params.yaml; name it with root=, or a bundle with folder="
        )
    store = open_store(settings, params, base)
    return ShopModel(open_version(Registry(settings, params.release), params, version, store), base)


class ShopModel:
    """A model, and the stored events of its shop. Wrong arguments raise ContractError."""

    def __init__(self, model: OfflineModel, root: Path) -> None:
        """root: the checkout, below which the data of the last run are."""
        self.model, self.root = model, root

    def __repr__(self) -> str:
        """Return version, model and size."""
        info, number = self.model.bundle.info, self.model.version
        source = "bundle folder" if number is None else f"version {number}"
        return f"<ShopModel {source}: {info.model}, {info.n_items:,} products, data as of {info.as_of}>"

    def recommend(
        self,
        user_id: str | None = None,
        history: Sequence[Any] = (),
        k: int = 10,
        rules: Sequence[str] = (),
        explain: bool = False,
        **request: Any,
    ) -> pd.DataFrame:
        """Return the best products of a user, or of a history: position, item_id, title, score.

        history: item_ids, oldest first, or records with item_id, event and timestamp. rules: such as "price < 50".
        explain: adds what each part of the model adds to the score, and the product of the history that is most alike.
        request: further fields of POST /recommend, such as exclude, diversity or filters. `attrs` of the frame holds
        which model made the list, and why it was a fallback.
        """
        filters = {"rules": list(rules)} | dict(request.pop("filters", {}))
        fields = request | {"user_id": user_id, "history": _events(history), "k": k, "explain": explain}
        return _frame(self.model.recommend(_parse(RecommendRequest, fields | {"filters": filters})))

    def explain(
        self, user_id: str | None = None, item_ids: Sequence[str] = (), history: Sequence[Any] = ()
    ) -> pd.DataFrame:
        """Return scores and explanations of given products; those that the model does not know are left out."""
        fields = {"user_id": user_id, "history": _events(history), "item_ids": list(item_ids)}
        return _frame(self.model.explain(_parse(ItemsRequest, fields)))

    def search(self, query: str, user_id: str | None = None, k: int = 10, **request: Any) -> pd.DataFrame:
        """Return the best products for a query, ranked for the user if there is one."""
        return _frame(self.model.search(_parse(SearchRequest, request | {"query": query, "user_id": user_id, "k": k})))

    def similar(self, item_id: str, k: int = 10, **request: Any) -> pd.DataFrame:
        """Return products with a similar text."""
        return _frame(self.model.similar(_parse(SimilarRequest, request | {"item_id": item_id, "k": k})))

    def bought_together(self, item_id: str, k: int = 10, **request: Any) -> pd.DataFrame:
        """Return products that are bought together with one."""
        return _frame(self.model.bought_together(_parse(SimilarRequest, request | {"item_id": item_id, "k": k})))

    def evaluate(self, events: pd.DataFrame, start: datetime, end: datetime | None = None) -> pd.DataFrame:
        """Return the metrics of the model and of the simple models in its bundle; see evaluation.evaluate_frame."""
        return evaluate_frame(self.model.bundle, self.model.params, events, start, end)

    def users(self, n: int = 10, after: str = "") -> list[str]:
        """Return n ids of users with stored events, in the order of their UTF-8 bytes, after this one."""
        if self.model.store is None:
            raise ContractError("the events of users are in a shop's event store, and none was opened")
        return self.model.store.list_users(after, n)

    def close(self) -> None:
        """Close the event store."""
        if self.model.store is not None:
            self.model.store.close()


def _find_checkout() -> Path:
    """Return the nearest folder with params.yaml, from the current one upwards; the current one without any."""
    current = Path.cwd()
    return next((folder for folder in (current, *current.parents) if (folder / "params.yaml").is_file()), current)


def _events(history: Sequence[Any]) -> list[Any]:
    return [{"item_id": event} if isinstance(event, str) else event for event in history]


def _parse(kind: type[T], fields: dict[str, Any]) -> T:
    try:
        return kind.model_validate(fields)
    except ValueError as error:
        raise ContractError(f"request: {describe_problems(error)}") from None


def _frame(found: Recommendation) -> pd.DataFrame:
    rows = [
        {"position": position, **item.model_dump(include={"item_id", "title", "score"})}
        | (item.contributions or {})
        | ({} if item.contributions is None else {"explained_by": item.explained_by})
        for position, item in enumerate(found.items, 1)
    ]
    frame = pd.DataFrame(rows, columns=None if rows else ["position", "item_id", "title", "score"])
    frame.attrs = {"model": found.model, "reason": found.reason}
    return frame
