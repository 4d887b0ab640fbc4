"""Business rules over products, such as `price < 50 and brand != "X"`, in the language of components/rule_language.py.

The fields are price, brand, category, language, title, kind and item_id; a category matches itself and all below it.
"""

from functools import lru_cache

from components.rule_language import Expression, Fields, parse_expression
from components.serving.schemas import MAX_RULE_LENGTH

PRICE = "price"
TEXTS = ("brand", "category", "language", "title", "kind", "item_id")
FIELDS = Fields((PRICE,), TEXTS, 'price < 50 and brand != "X"')
CACHED_RULES = 1024  # parsed rules of all models


@lru_cache(maxsize=CACHED_RULES)
def parse_rule(rule: str) -> Expression:
    """Return the expression that the text is; raises RuleError."""
    return parse_expression(rule, FIELDS, MAX_RULE_LENGTH)
