"""Attributes of a product: brand, category levels, price decile and language, as codes of one vocabulary."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from components.contracts import LEVEL, Catalogue

PRICE_LEVELS = 10


def attribute_codes(catalogue: Catalogue) -> tuple[NDArray[np.int64], int]:
    """Return (n_items + 1, width) codes and the size of the vocabulary; 0 is padding.

    A value of a single product gets no code: the product's id vector covers it.
    """
    rows = [_values(catalogue, i, level) for i, level in enumerate(price_levels(catalogue))]
    count = Counter(value for row in rows for value in row)
    shared = sorted(value for value, n in count.items() if n > 1)
    code = {value: i for i, value in enumerate(shared, 1)}
    known = [[code[value] for value in row if value in code] for row in rows]
    codes = np.zeros((len(rows), max(1, *map(len, known))), np.int64)
    for i, row in enumerate(known):
        codes[i, : len(row)] = row
    return codes, len(shared) + 1


def _values(catalogue: Catalogue, i: int, price_level: int) -> list[tuple[str, str]]:
    """Return the distinct (attribute, value) pairs of a product."""
    if i == 0:
        return []
    levels = (("category", part.strip()) for part in catalogue.category[i].split(LEVEL))
    values = [("brand", catalogue.brand[i].strip()), *levels, ("language", catalogue.language[i])]
    values += [("price", str(price_level))] if price_level else []
    return list(dict.fromkeys(value for value in values if value[1]))


def price_levels(catalogue: Catalogue) -> NDArray[np.int64]:
    """Return (n_items + 1,) the price decile within the catalogue, 1..10; 0 where the price is unknown."""
    known = np.isfinite(catalogue.price)
    levels = np.zeros(len(catalogue.price), np.int64)
    if known.any():
        edges = np.quantile(catalogue.price[known], np.linspace(0, 1, PRICE_LEVELS + 1)[1:-1])
        levels[known] = np.searchsorted(edges, catalogue.price[known], side="right") + 1
    return levels
