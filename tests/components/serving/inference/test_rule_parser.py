"""Texts that are rules become expressions; any other text is refused with position and reason."""

import warnings

import pytest

from components.rule_language import Comparison, Junction, Negation, RuleError, comparisons
from components.serving.inference.rule_parser import parse_rule


def test_no_rule_writes_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    warnings.simplefilter("always")
    assert parse_rule("price<1or price>2") == parse_rule("price < 1 or price > 2")
    assert parse_rule(r'"\d" in title') == Comparison("title", "contains", ("\\d",))
    assert len(recwarn) == 0


def test_a_rule_becomes_an_expression() -> None:
    below, named = Comparison("price", "<", numbers=(50.0,)), Comparison("brand", "in", ("X", "Y"), (), True)
    assert parse_rule('50 > price and brand not in ("X", "Y", None)') == Junction(True, (below, Negation(named)))
    assert parse_rule(" not not price < 50 ") == below
    assert parse_rule('"TEA" not in title') == Negation(Comparison("title", "contains", ("tea",)))
    chain = parse_rule("1 <= price <= 2 or not price == -1")
    assert [c.numbers for c in comparisons(chain)] == [(1.0,), (2.0,), (-1.0,)]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("", "could not be read"),
        ("price <", "could not be read"),
        ("price", "expected a comparison"),
        ("True", "expected a comparison"),
        ("__import__('os').system('true')", "expected a comparison"),
        ("price < __import__('os').getpid()", "a number or a text"),
        ("price < 1 + 1", "a number or a text"),
        ("(lambda: 1)() < price", "expected a field"),
        ("stock > 1", "no field 'stock'"),
        ("price > None", "None goes with =="),
        ("price in (1, 'X')", "compared with a number"),
        ("brand in ('X', 1)", "compared with a text"),
        ('"5" in price', "price holds no words"),
        ('stock == "1"', "no field 'stock'"),
        ('brand < "X"', "compared with =="),
        ('price == "10"', "compared with a number"),
        ("brand == 10", "compared with a text"),
        ("price is None", "expected a field"),
        ("brand.upper() == 'X'", "expected a field"),
        ("price < " + "9" * 600, "500 characters"),
        ("not " * 120 + "price < 1", None),
        ("(" * 240 + "price < 1" + ")" * 240, "could not be read"),
    ],
)
def test_a_text_that_is_no_rule_is_refused_with_position_and_reason(rule: str, message: str | None) -> None:
    if message is None:
        assert parse_rule(rule) == Comparison("price", "<", numbers=(1.0,))
        return
    with pytest.raises(RuleError, match=message.replace("(", r"\(")):
        parse_rule(rule)
