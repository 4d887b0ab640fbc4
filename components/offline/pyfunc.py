"""A registered version as MLflow's users know a model: `mlflow.pyfunc.load_model("models:/carousel@champion")`.

MLflow imports this module when it loads a version. Carousel itself reads bundles without MLflow's loader, which runs
code of the artifact.
"""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path
from threading import RLock
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel

from components import params as parameters
from components.errors import ContractError
from components.io import describe_problems
from components.offline.model import OfflineModel
from components.offline.sources import open_store
from components.release.mlflow_model import DEFAULT_K
from components.release.registry import Registry
from components.serving.models.watcher import validate_bundle
from components.serving.schemas import RecommendRequest
from components.settings import Settings


class CarouselModel(PythonModel):
    """Lists for a data frame of users or histories, equal to those of the service."""

    def load_context(self, context: Any) -> None:
        """Fetch the bundle from the tracking server that MLflow uses, and check every byte against its digest."""
        config, root = context.model_config, Path.cwd()
        self.params = parameters.load(Path(context.artifacts["params"]))
        settings = Settings().resolved(root).model_copy(update={"tracking_uri": mlflow.get_tracking_uri()})
        self.settings, self.root, self.lock = settings, root, RLock()
        folder = tempfile.TemporaryDirectory(prefix="carousel-model-", ignore_cleanup_errors=True)
        self.finalizer = weakref.finalize(self, folder.cleanup)
        release = self.params.release.model_copy(update={"name": config["release"]})
        registry = Registry(settings, release)
        bundle = registry.fetch_run(config["run_id"], config["bundle_digest"], Path(folder.name))
        self.model = OfflineModel(validate_bundle(bundle, config["bundle_digest"]), self.params)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return one row per row of the input: item_ids (best first), scores, model, and the reason of a fallback.

        model_input: a data frame with `user_id`, `history` (item_ids, oldest first), or both; a history counts instead
        of stored events. params: k, the length of the lists. Users need the shop's event store: the current directory
        is the checkout, or CAROUSEL_HOME or CAROUSEL_EVENT_STORE_URL names it. Raises ContractError.
        """
        frame = model_input
        unknown = set(frame.columns) - {"user_id", "history"}
        if unknown or frame.columns.empty:
            raise ContractError(f"expected the columns user_id, history or both, got {sorted(frame.columns)}")
        k = int((params or {}).get("k", DEFAULT_K))
        requests = [_request(row, k) for row in frame.to_dict("records")]
        with self.lock:
            if self.model.store is None and any(r.user_id is not None and not r.history for r in requests):
                self.model.store = self._open_store()
            found = self.model.recommend_batch(requests)
        rows = [
            {
                "item_ids": [item.item_id for item in one.items],
                "scores": [item.score for item in one.items],
                "model": one.model,
                "reason": one.reason,
            }
            for one in found
        ]
        return pd.DataFrame(rows, columns=["item_ids", "scores", "model", "reason"], index=frame.index)

    def _open_store(self) -> Any:
        known = self.settings.shop(self.params.release.name).is_dir() or self.settings.event_store_address
        if not known:
            raise ContractError(
                "the events of users are in the shop's event store, which is not here: start in the checkout, set "
                "CAROUSEL_HOME or CAROUSEL_EVENT_STORE_URL, or give histories"
            )
        return open_store(self.settings, self.params, self.root)


def _request(row: dict[Any, Any], k: int) -> RecommendRequest:
    """Return the request of one row; None and NaN stand for a missing value."""
    user, history = row.get("user_id"), row.get("history")
    events = [{"item_id": str(item_id)} for item_id in history] if isinstance(history, list | np.ndarray) else []
    name = None if user is None or user != user else str(user)
    try:
        return RecommendRequest.model_validate({"user_id": name, "history": events, "k": k})
    except ValueError as error:
        raise ContractError(f"request: {describe_problems(error)}") from None
