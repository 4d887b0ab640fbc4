"""Expressions over labels: what they match, and where an error is."""

import pytest

from components.applications.ads.targeting import Labels, label, parse_targeting
from components.errors import ContractError

CAMPER: Labels = frozenset({"tag:outdoor", "tag:outdoor > tents", "segment:lapsed"})


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("tag:outdoor", True),
        ('tag:"Outdoor > Tents"', True),
        ('tag:"Outdoor  >  Tents"', True),  # blanks are one
        ("TAG:OUTDOOR", True),
        ("tag:garden", False),
        ("not tag:garden", True),
        ("tag:outdoor and not segment:lapsed", False),
        ("tag:garden or tag:outdoor and segment:lapsed", True),  # `and` binds closer
        ("(tag:garden or tag:outdoor) and segment:new", False),
        ("not (tag:garden or segment:new)", True),
    ],
)
def test_matching(text: str, matches: bool) -> None:
    assert parse_targeting(text)(CAMPER) is matches


def test_nobody_has_a_label() -> None:
    assert not parse_targeting("tag:outdoor")(frozenset())
    assert parse_targeting("not tag:outdoor")(frozenset())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("outdoor", "expected tag:NAME.*got 'outdoor' at character 1"),
        ("tag:a tag:b", "expected `and`, `or` or the end, got 'tag:b' at character 6"),
        ("(tag:a", "expected `\\)`, got 'the end'"),
        ("tag:a and", "got 'the end'"),
        ("()", "got '\\)'"),
        ("(" * 30 + "tag:a" + ")" * 30, "nested"),
        ("tag:a or " * 200 + "tag:a", "1000 characters"),
    ],
)
def test_errors_name_the_place(text: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        parse_targeting(text)


def test_labels_are_compared_without_case() -> None:
    assert label("tag", " Outdoor >  Tents ") == "tag:outdoor > tents"
