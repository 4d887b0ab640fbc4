"""Merchandising rules on a list of eight products, 1 to 8, best first: hand-computed orders."""

import numpy as np
import pytest

from components.contracts import Catalogue, IntArray
from components.serving.inference.merchandising import Merchandise, Merchandiser
from components.serving.inference.rules import CatalogueFilter
from components.serving.storage.merchandising import MerchandisingRule, RuleSet

N = 8
ITEMS = np.arange(1, N + 1, dtype=np.int32)


@pytest.fixture(scope="module")
def catalogue_filter() -> CatalogueFilter:
    item_ids = ["", *(f"p{n}" for n in range(1, N + 1))]
    catalogue = Catalogue(
        item_id=item_ids,
        title=item_ids,
        text=item_ids,
        brand=["", *("X" if n % 2 else "Y" for n in range(1, N + 1))],
        category=["", *["Tea > Green"] * 4, *["Coffee"] * 4],
        language=[""] * (N + 1),
        price=np.arange(N + 1, dtype=np.float32),
    )
    return CatalogueFilter(catalogue, {item_id: n for n, item_id in enumerate(item_ids) if n})


def rule(kind: str, number: int = 0, **fields: object) -> MerchandisingRule:
    content = {"rule_id": f"{kind}-{number}", "kind": kind, "by": "ann", "created_at": number, **fields}
    return MerchandisingRule.model_validate(content)


def compiled(
    catalogue_filter: CatalogueFilter, *rules: MerchandisingRule, category: str | None = None
) -> Merchandise | None:
    return Merchandiser(RuleSet(rules, "v"), catalogue_filter).for_list(category)


def order(found: Merchandise | None) -> list[int]:
    assert found is not None
    items: IntArray = ITEMS[found.boosted_order(ITEMS)]
    return items.tolist()


def test_a_boost_divides_the_position(catalogue_filter: CatalogueFilter) -> None:
    # 6 moves to 6 / 4 = 1.5: between 1 and 2
    assert order(compiled(catalogue_filter, rule("boost", item_id="p6", factor=4.0))) == [1, 6, 2, 3, 4, 5, 7, 8]
    # 5, 6, 7, 8 to 2.5, 3, 3.5, 4; where two are equal, the earlier one stays first
    coffee = rule("boost", where='category == "Coffee"', factor=2.0)
    assert order(compiled(catalogue_filter, coffee)) == [1, 2, 5, 3, 6, 7, 4, 8]


def test_of_several_boosts_the_strongest_counts(catalogue_filter: CatalogueFilter) -> None:
    found = compiled(
        catalogue_filter,
        rule("boost", 1, item_id="p6", factor=4.0),
        rule("boost", 2, where='brand == "Y"', factor=1.5),
    )
    assert found is not None
    assert order(found)[:3] == [1, 2, 6]  # 2 to 1.33, 6 to 1.5
    assert found.moved_by(ITEMS, np.array([1, 2, 6], np.int32)) == [None, None, "boost-1"]


def test_pins_have_their_positions_and_obey_the_filters(catalogue_filter: CatalogueFilter) -> None:
    found = compiled(
        catalogue_filter, rule("pin", 1, item_id="p8", position=2), rule("pin", 2, item_id="p1", position=4)
    )
    assert found is not None
    assert found.insert_pins(ITEMS, 5, None).tolist() == [2, 8, 3, 1, 4]
    without_8 = np.ones(N + 1, np.bool_)
    without_8[8] = False
    assert found.insert_pins(ITEMS, 4, without_8).tolist() == [2, 3, 4, 1]
    assert found.insert_pins(np.array([3], np.int32), 9, None).tolist() == [3, 8, 1]  # a short list: at its end


def test_a_rule_moved_what_it_names_and_only_where_the_position_differs(catalogue_filter: CatalogueFilter) -> None:
    found = compiled(
        catalogue_filter, rule("pin", 1, item_id="p1", position=1), rule("pin", 2, item_id="p3", position=2)
    )
    assert found is not None
    after = found.insert_pins(ITEMS, 4, None)
    assert after.tolist() == [1, 3, 2, 4]
    assert found.moved_by(ITEMS, after) == [None, "pin-2", None, None]


def test_a_pin_precedes_a_bury_and_a_bury_a_boost(catalogue_filter: CatalogueFilter) -> None:
    found = compiled(
        catalogue_filter,
        rule("bury", 1, where='brand == "X"'),  # 1, 3, 5, 7
        rule("pin", 2, item_id="p3", position=1),
        rule("boost", 3, item_id="p5", factor=9.0),
    )
    assert found is not None
    assert found.buried is not None
    assert np.flatnonzero(found.buried).tolist() == [1, 5, 7]
    assert found.moved_by(np.array([], np.int32), np.array([3, 5], np.int32)) == ["pin-2", "bury-1"]


@pytest.mark.parametrize(
    ("category", "applies"),
    [(None, False), ("Tea", True), ("Tea > Green", True), ("Teapots", False), ("Coffee", False)],
)
def test_a_rule_of_a_category_applies_to_its_lists_only(
    catalogue_filter: CatalogueFilter, category: str | None, applies: bool
) -> None:
    found = compiled(catalogue_filter, rule("pin", item_id="p2", position=1, category="Tea"), category=category)
    assert (found is not None) == applies


def test_unknown_products_and_rules_of_another_version_do_nothing(catalogue_filter: CatalogueFilter) -> None:
    gone = rule("pin", 1, item_id="gone", position=1)
    assert compiled(catalogue_filter, gone, rule("bury", 2, where="colour == 3")) is None


def rearranged(found: Merchandise | None, tiers: list[int], may_pin: list[bool]) -> list[int]:
    assert found is not None
    order = found.rearranged(ITEMS, np.array(tiers, np.int8), np.array(may_pin))
    return ITEMS[order].tolist()


def test_a_list_that_answers_a_question_is_rearranged_within_its_tiers(catalogue_filter: CatalogueFilter) -> None:
    tiers = [2, 2, 2, 1, 1, 1, 0, 0]
    boost = compiled(catalogue_filter, rule("boost", item_id="p6", factor=100.0))
    assert rearranged(boost, tiers, [True] * N) == [1, 2, 3, 6, 4, 5, 7, 8]  # not above a better match
    bury = compiled(catalogue_filter, rule("bury", where='brand == "X"'))  # 1, 3, 5, 7
    assert rearranged(bury, tiers, [True] * N) == [2, 1, 3, 4, 6, 5, 8, 7]
    pins = compiled(
        catalogue_filter, rule("pin", 1, item_id="p8", position=1), rule("pin", 2, item_id="p5", position=2)
    )
    assert rearranged(pins, tiers, [True] * 7 + [False]) == [1, 5, 2, 3, 4, 6, 7, 8]  # p8 does not match
    assert rearranged(pins, tiers, [True] * N) == [8, 5, 1, 2, 3, 4, 6, 7]
