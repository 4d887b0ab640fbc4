"""Codes of attributes that products share."""

import numpy as np

from components.contracts import Catalogue
from components.recommenders.sequence.attributes import PRICE_LEVELS, attribute_codes


def catalogue(rows: list[tuple[str, str, str, float]]) -> Catalogue:
    """Make a catalogue from (brand, category, language, price) of items 1, 2, ..."""
    brand, category, language = ([""] + [row[i] for row in rows] for i in range(3))
    price = np.array([np.nan, *(row[3] for row in rows)], np.float32)
    names = [str(i) for i in range(len(rows) + 1)]
    return Catalogue(names, names, names, brand, category, language, price)  # type: ignore[arg-type]


def shared(rows: list[tuple[str, str, str, float]], one: int, two: int) -> int:
    """Return how many codes two items have in common."""
    codes, n = attribute_codes(catalogue(rows))
    assert codes.max() == n - 1  # every code is used
    return len((set(codes[one].tolist()) & set(codes[two].tolist())) - {0})


NONE = float("nan")


def test_items_share_the_codes_of_common_attributes() -> None:
    rows = [
        ("Acme", "Home > Lamps", "en", NONE),
        ("Acme", "Home > Lamps > Desk", "en", NONE),
        ("Acme", "Garden", "zh", NONE),
        ("", "", "", NONE),
    ]
    assert shared(rows, 1, 2) == 4  # brand, two levels, language
    assert shared(rows, 1, 3) == 1  # brand
    assert shared(rows, 1, 4) == shared(rows, 0, 1) == 0


def test_a_value_of_a_single_item_gets_no_code() -> None:
    codes, n = attribute_codes(catalogue([("Solo", "Alone", "en", 1.0), ("", "", "", NONE)]))
    assert n == 1
    assert not codes.any()


def test_the_same_word_as_brand_and_category_is_two_codes() -> None:
    assert shared([("Home", "", "", NONE), ("", "Home", "", NONE), ("Home", "Home", "", NONE)], 1, 2) == 0


def test_a_level_named_twice_in_a_path_counts_once() -> None:
    codes, _ = attribute_codes(catalogue([("", "Home > Home", "", NONE), ("", "Home", "", NONE)]))
    assert (codes > 0).sum(axis=1).tolist() == [0, 1, 1]


def test_price_levels_are_deciles_of_the_catalogue() -> None:
    rows = [("", "", "", float(price)) for price in range(100)]
    codes, n = attribute_codes(catalogue(rows))
    assert n == PRICE_LEVELS + 1
    assert np.bincount(codes[1:].ravel()).tolist() == [0, *[10] * PRICE_LEVELS]
    assert shared(rows, 1, 2) == 1
    assert shared(rows, 1, 100) == 0


def test_the_order_of_codes_is_that_of_the_values_not_of_the_rows() -> None:
    rows = [("B", "", "", NONE), ("A", "", "", NONE), ("B", "", "", NONE), ("A", "", "", NONE)]
    assert attribute_codes(catalogue(rows))[0].ravel().tolist() == [0, 2, 1, 2, 1]
