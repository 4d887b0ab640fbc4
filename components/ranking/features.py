"""Features of users and products for the ranker: row = index of the split, row 0 is an unknown user or product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch

from components.contracts import Catalogue, FloatArray, IntArray, Interactions, Users
from components.errors import ContractError
from components.profiles.features import Features
from components.ragged import Ragged
from components.ranking.model import PairBatch, Sizes
from components.recommenders.content import unit_rows
from components.recommenders.histories import Matrix, history_matrix

_NONE = (np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0, np.float32))
EMPTY_USER = Users(np.zeros(1, np.int32), Ragged(np.zeros(2, np.int64), *_NONE), now=0)  # without events


@dataclass(frozen=True)
class AttributeAffinity:
    """The weight of each value of a product attribute, such as a category, in each user's history."""

    value: IntArray  # (n_items + 1,) code of each product
    weight: Matrix  # sparse (n_users + 1, n_values)

    @classmethod
    def from_histories(cls, value: IntArray, history: Matrix) -> Self:
        """Return the affinities of histories (n, n_items + 1) to the values (n_items + 1,)."""
        from scipy.sparse import csr_matrix

        n = len(value)
        shape = (n, int(value.max(initial=0)) + 1)
        members = csr_matrix((np.ones(n, np.float32), value, np.arange(n + 1)), shape=shape)
        return cls(value, (history @ members).tocsr())

    def log_share(self, user: IntArray, item: IntArray) -> FloatArray:
        """Return (n,) the log of the share of the user's history with the item's value; about 0 if all have it.

        Additive smoothing by half an event, so that a new user has a small affinity to everything.
        """
        total = np.asarray(self.weight.sum(axis=1)).ravel()[user]
        weight = np.asarray(self.weight[user, self.value[item]]).ravel()
        share: FloatArray = np.log((weight + 0.5) / (total + 1)).astype(np.float32)
        return share


@dataclass(frozen=True)
class RankerInputs:
    """All features as of one time, the end of the profiles' window; no example is earlier."""

    user_text: FloatArray  # (n_users + 1, d) unit: recency-weighted mean text of the history
    item_text: FloatArray  # (n_items + 1, d) unit
    user: FloatArray  # (n_users + 1, u) profile
    item: FloatArray  # (n_items + 1, v) profile
    category: AttributeAffinity
    brand: AttributeAffinity

    @property
    def sizes(self) -> Sizes:
        """Return the widths of the inputs."""
        return Sizes(self.item_text.shape[1], self.user.shape[1], self.item.shape[1])

    @classmethod
    def of_items(
        cls, text: FloatArray, item: FloatArray, unknown: FloatArray, category: IntArray, brand: IntArray
    ) -> Self:
        """Return the features of products, and of the unknown user, whose profile is (1, u) `unknown`."""
        history = history_matrix(EMPTY_USER, len(item) - 1, 1.0)
        no_text = np.zeros((1, text.shape[1]), np.float32)
        return cls(
            no_text, text, unknown, item, *(AttributeAffinity.from_histories(v, history) for v in (category, brand))
        )

    def of_users(self, users: Users, profiles: FloatArray, recency: float) -> RankerInputs:
        """Return the same products with these users: row i has history i and profile i of (n, u)."""
        history = history_matrix(users, len(self.item) - 1, recency)
        values = (self.category.value, self.brand.value)
        category, brand = (AttributeAffinity.from_histories(value, history) for value in values)
        text = unit_rows(history @ self.item_text)
        own = profiles if self.user.shape[1] else profiles[:, :0]  # a ranker with privacy reads no profiles
        return replace(self, user_text=text, user=own, category=category, brand=brand)

    def batch(self, user: IntArray, item: IntArray, position: FloatArray) -> PairBatch:
        """Return the features of n pairs; raises ContractError for an index that is not in the split."""
        for name, index, n in (("user_idx", user, len(self.user)), ("item_idx", item, len(self.item))):
            if len(index) and not 0 <= index.min() <= index.max() < n:
                raise ContractError(f"ranker: {name} {index.min()}..{index.max()}; expected 0..{n - 1}")
        user_text, item_text = self.user_text[user], self.item_text[item]
        similarity = 10 * (user_text * item_text).sum(axis=1)  # a cosine, on the scale of the other inputs
        match = np.stack([self.category.log_share(user, item), self.brand.log_share(user, item), similarity], axis=1)
        first = np.log1p(position, dtype=np.float32)[:, None]
        columns = (user_text, item_text, self.user[user], match.astype(np.float32), self.item[item], first)
        return PairBatch(*map(torch.from_numpy, columns))


def ranker_inputs(interactions: Interactions, catalogue: Catalogue, profiles: Features, recency: float) -> RankerInputs:
    """Return the features of all users and products as of the training window's end.

    Raises ContractError where there are no embeddings, or profiles of another split.
    """
    if catalogue.embedding is None:
        raise ContractError("ranker: expected embeddings; run `encode`")
    shapes = (len(profiles.users), len(profiles.items), len(catalogue.embedding))
    wanted = (interactions.n_users + 1, interactions.n_items + 1, interactions.n_items + 1)
    if shapes != wanted:
        raise ContractError(f"ranker: profiles and embeddings have {shapes} rows, expected {wanted} as in the split")
    item_text = unit_rows(catalogue.embedding.astype(np.float32))
    category = _codes(list(zip(catalogue.category, catalogue.language, strict=True)))
    items = RankerInputs.of_items(item_text, profiles.items, profiles.users[:1], category, _codes(catalogue.brand))
    return items.of_users(_all_users(interactions), profiles.users, recency)


def _codes(values: Sequence[object]) -> IntArray:
    """Return (n_items + 1,) a code for each distinct value."""
    codes = {value: code for code, value in enumerate(sorted(set(map(str, values))))}
    return np.array([codes[str(value)] for value in values], np.int32)


def _all_users(events: Interactions) -> Users:
    """Return all users of the split with their training events; user 0 has none."""
    return Users(np.arange(events.n_users + 1, dtype=np.int32), events.by_user(), events.now)
