"""The base class of all recommenders: a model scores, the base class ranks, in batches of users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from pydantic import ValidationError

from components.contracts import (
    BoolArray,
    Catalogue,
    FloatArray,
    IntArray,
    Interactions,
    Ranked,
    Recommender,
    Users,
)
from components.errors import ContractError, ParamsError
from components.io import describe_problems
from components.params import Params, Section
from components.recommenders.top_k import padded_top_k

SectionT = TypeVar("SectionT", bound=Section)


class BaseRecommender(ABC):
    """A Recommender that ranks by its `score`; models read `users.history`, never a table by user.

    is_personal, falls_back_on_popularity, counts_anonymous_events: what the shared tests ask of the model.
    """

    name: ClassVar[str]
    scores_cold_items: ClassVar[bool] = False  # whether an item without events gets its own score
    is_personal: ClassVar[bool] = True  # whether scores depend on the user's history; False: the same for everybody
    falls_back_on_popularity: ClassVar[bool] = True  # whether items are in order of popularity for an empty history
    counts_anonymous_events: ClassVar[bool] = False  # whether anonymous events change more than that order
    parts: Mapping[str, Recommender] = {}
    batch_users: int = 256  # users ranked at once; bounds memory
    after_epoch: Callable[[float], None] | None = None  # called with the validation NDCG, by models trained in epochs

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return an unfitted model with the parameters of params.yaml; every model in the table has this."""
        raise NotImplementedError(f"{cls.__name__} is not made from params.yaml")

    @classmethod
    def custom_params(cls, params: Params, kind: type[SectionT]) -> SectionT:
        """Return the section models.custom.<name>, for a model whose parameters are declared in its own file.

        What the section leaves out has the defaults of `kind`. Raises ParamsError for wrong values.
        """
        try:
            return kind.model_validate(params.models.custom.get(cls.name, {}))
        except ValidationError as error:
            raise ParamsError(f"models.custom.{cls.name}: not {kind.__name__} ({describe_problems(error)})") from None

    @abstractmethod
    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Learn from the interactions; `users` is the validation window, for tuning only."""

    @abstractmethod
    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return (n_users, n_items + 1) scores, or (n_users, len(items)): a fresh array, finite, any scale."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model to the folder; the same model gives the same bytes."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises ContractError."""

    def contributions(self, users: Users, items: IntArray) -> dict[str, FloatArray]:
        """Return what each part adds to the scores of the items: for a single model, its own score."""
        return {self.name: self.score(users, items)}

    def use_ann_index(self, index: Any) -> bool:
        """Return whether the model uses the AnnIndex for lists from now on; models that rank by vectors do."""
        return False

    def recommend(self, users: Users, k: int, exclude_seen: bool = True, candidates: BoolArray | None = None) -> Ranked:
        """Return the best k items per user; equal scores go to the smaller item_idx.

        candidates: (n_items + 1,), False for items that no list may hold; None: all items.
        A list with too few items is padded with item 0 and score -inf; an item scored -inf becomes padding, too.
        Memory: batch_users x n_items, whatever len(users) is.
        Raises ContractError for k < 1, a mask of another length, or a model that scores NaN or +inf.
        """
        if k < 1:
            raise ContractError(f"{self.name}: k is {k}; a list holds 1 item or more")
        items = np.zeros((len(users), k), dtype=np.int32)
        scores = np.full((len(users), k), -np.inf, dtype=np.float32)
        for start, batch in users.batches(self.batch_users):
            masked = self._masked(batch, exclude_seen, candidates)
            best = padded_top_k(masked, k)
            items[start : start + len(batch)] = best.items
            scores[start : start + len(batch)] = best.scores
        return Ranked(items, scores)

    def _masked(self, users: Users, exclude_seen: bool, candidates: BoolArray | None) -> FloatArray:
        """Return all scores, with -inf where an item must not be listed."""
        scores = self.score(users)
        if not (scores.max(axis=1, initial=-np.inf) < np.inf).all():  # False for NaN, too
            raise ContractError(f"{self.name}: a score is NaN or infinite; the model is broken, fit it again")
        if candidates is not None:
            if candidates.shape != scores.shape[1:]:
                raise ContractError(
                    f"{self.name}: candidates mask has shape {candidates.shape}, the model scores {scores.shape[1]} "
                    "items (padding included); build the mask from the catalogue that the model was fitted on"
                )
            scores[:, ~candidates] = -np.inf
        return mask_seen(scores, users, exclude_seen)


def mask_seen(scores: FloatArray, users: Users, exclude_seen: bool) -> FloatArray:
    """Return (n_users, n_items + 1) scores with -inf for padding and, with exclude_seen, for each history; in place."""
    if exclude_seen:
        scores[users.history.rows, users.history.item_idx] = -np.inf
    scores[:, 0] = -np.inf
    return scores
