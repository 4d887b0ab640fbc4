"""What the ranker knows of users and products: row = index of the split, row 0 is somebody or something unknown."""

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
from components.ranking.model import Inputs, Sizes
from components.recommenders.content import unit_rows
from components.recommenders.histories import Matrix, history_matrix

_NONE = (np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0, np.float32))
NOBODY = Users(np.zeros(1, np.int32), Ragged(np.zeros(2, np.int64), *_NONE), now=0)  # one who did nothing


@dataclass(frozen=True)
class Cares:
    """How much each user had to do with each value of an attribute of products, such as a category."""

    value: IntArray  # (n_items + 1,) each product's
    weight: Matrix  # sparse (n_users + 1, n_values)

    @classmethod
    def told(cls, value: IntArray, history: Matrix) -> Self:
        """Return what histories (n, n_items + 1) say of the values (n_items + 1,)."""
        from scipy.sparse import csr_matrix

        n = len(value)
        shape = (n, int(value.max(initial=0)) + 1)
        members = csr_matrix((np.ones(n, np.float32), value, np.arange(n + 1)), shape=shape)
        return cls(value, (history @ members).tocsr())

    def of(self, user: IntArray, item: IntArray) -> FloatArray:
        """Return (n,) the log of the share of the user's interest that goes to what the item is; about 0 for all of it.

        Half an event is added, so that somebody new cares a little for anything.
        """
        total = np.asarray(self.weight.sum(axis=1)).ravel()[user]
        own = np.asarray(self.weight[user, self.value[item]]).ravel()
        share: FloatArray = np.log((own + 0.5) / (total + 1)).astype(np.float32)
        return share


@dataclass(frozen=True)
class Known:
    """Everything as of one moment, the cut of the profiles: no example is earlier."""

    user_text: FloatArray  # (n_users + 1, d) unit: mean text of what each took, newer events weighing more
    item_text: FloatArray  # (n_items + 1, d) unit
    user: FloatArray  # (n_users + 1, u) profile
    item: FloatArray  # (n_items + 1, v) profile
    category: Cares
    brand: Cares

    @property
    def sizes(self) -> Sizes:
        """Return the widths of the inputs."""
        return Sizes(self.item_text.shape[1], self.user.shape[1], self.item.shape[1])

    @classmethod
    def of_items(
        cls, text: FloatArray, item: FloatArray, nobody: FloatArray, category: IntArray, brand: IntArray
    ) -> Self:
        """Return what is known of products, and of nobody: nobody (1, u) is the profile of one without any."""
        history = history_matrix(NOBODY, len(item) - 1, 1.0)
        silent = np.zeros((1, text.shape[1]), np.float32)
        return cls(silent, text, nobody, item, Cares.told(category, history), Cares.told(brand, history))

    def of_users(self, users: Users, profiles: FloatArray, recency: float) -> Known:
        """Return the same of these users: row i is what history i and profile i (n, u) tell."""
        history = history_matrix(users, len(self.item) - 1, recency)
        category, brand = (Cares.told(cares.value, history) for cares in (self.category, self.brand))
        text = unit_rows(history @ self.item_text)
        return replace(self, user_text=text, user=profiles, category=category, brand=brand)

    def inputs(self, user: IntArray, item: IntArray, place: FloatArray) -> Inputs:
        """Return the inputs of n pairs; raises ContractError for an index that is not in the split."""
        for name, index, n in (("user_idx", user, len(self.user)), ("item_idx", item, len(self.item))):
            if len(index) and not 0 <= index.min() <= index.max() < n:
                raise ContractError(f"ranker: {name} {index.min()}..{index.max()}; the ranker knows 0..{n - 1}")
        user_text, item_text = self.user_text[user], self.item_text[item]
        likeness = 10 * (user_text * item_text).sum(axis=1)  # a cosine, on the scale of the other inputs
        match = np.stack([self.category.of(user, item), self.brand.of(user, item), likeness], axis=1)
        first = np.log1p(place, dtype=np.float32)[:, None]
        columns = (user_text, item_text, self.user[user], match.astype(np.float32), self.item[item], first)
        return Inputs(*map(torch.from_numpy, columns))


def known(interactions: Interactions, catalogue: Catalogue, profiles: Features, recency: float) -> Known:
    """Return what the training window tells of everybody; raises ContractError where there are no embeddings."""
    if catalogue.embedding is None:
        raise ContractError("ranker: expected embeddings; run `encode`")
    shapes = (len(profiles.users), len(profiles.items), len(catalogue.embedding))
    wanted = (interactions.n_users + 1, interactions.n_items + 1, interactions.n_items + 1)
    if shapes != wanted:
        raise ContractError(f"ranker: profiles and embeddings have {shapes} rows, the split asks for {wanted}")
    item_text = unit_rows(catalogue.embedding.astype(np.float32))
    category = _codes(list(zip(catalogue.category, catalogue.language, strict=True)))
    items = Known.of_items(item_text, profiles.items, profiles.users[:1], category, _codes(catalogue.brand))
    return items.of_users(_everybody(interactions), profiles.users, recency)


def _codes(values: Sequence[object]) -> IntArray:
    """Return (n_items + 1,) a number for each different value."""
    codes = {value: code for code, value in enumerate(sorted(set(map(str, values))))}
    return np.array([codes[str(value)] for value in values], np.int32)


def _everybody(events: Interactions) -> Users:
    """Return all users of the split with all they did in training; user 0 did nothing."""
    return Users(np.arange(events.n_users + 1, dtype=np.int32), events.by_user(), events.now)
