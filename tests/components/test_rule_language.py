"""The language of rules serves any fields: those of products and those of users."""

import pytest

from components.rule_language import Comparison, Fields, Junction, RuleError, parse_expression

FIELDS = Fields(("orders", "value"), ("segment",), 'orders > 2 and segment == "best"')


def test_numbers_and_texts_of_the_caller_are_fields() -> None:
    both = parse_expression('orders >= 3 and segment == "best"', FIELDS, 100)
    assert both == Junction(True, (Comparison("orders", ">=", numbers=(3.0,)), Comparison("segment", "in", ("best",))))
    assert parse_expression("value == None", FIELDS, 100) == Comparison("value", "in", accepts_missing=True)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("price < 5", "no field 'price'; there are orders, value, segment"),
        ("orders == 'many'", "orders is compared with a number"),
        ('segment > "best"', "compared with ==, != or in"),
        ("orders >", "expected such as orders > 2"),
        ("o" * 101, "100 characters"),
    ],
)
def test_what_is_no_rule_of_these_fields_is_refused(rule: str, message: str) -> None:
    with pytest.raises(RuleError, match=message):
        parse_expression(rule, FIELDS, 100)
