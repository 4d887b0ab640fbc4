"""Rules of ids: what is cleaned, what is refused, and that ingest and the service agree."""

import random

import ibis
import pytest

from components import ids
from components.data.conversion import cleaned, register_functions, to_value
from components.data.schemas import FIELDS, broken_rule

CLEANED = [
    ("  u1 ", "u1"), ("\u00a0u1\u3000", "u1"), ("u1\r\n", "u1"), ("a b", "a b"), ("Jose\u0301", "Jos\u00e9"),
    ("17850.0", "17850"), ("-3.0", "-3"), ("0.0", "0"), ("9007199254740991.0", "9007199254740991"),
    ("1.00", "1.00"), ("007.0", "007.0"), ("12.5", "12.5"), ("1.0.0", "1.0.0"),
    ("8123456789012345678", "8123456789012345678"),
]  # fmt: skip
REFUSED = [
    ("a\x00b", "control character"), ("a\u0085b", "control character"), ("a\nb", "control character"),
    ("u\u200b1", "zero-width"), ("u1\u200d", "zero-width"), ("\u202eu1", "text direction"), ("\ufeffu1", "byte order"),
    ("u\u00ad1", "soft hyphen"), ("u\u31641", "invisible"), ("K\ufffdln-1", "replacement character"),
    ("4.00638E+12", "scientific"), ("4,00638E+12", "scientific"), ("8.123456789012346e17", "scientific"),
    ("4E+12", "scientific"), ("1e+18", "scientific"), ("-1.5e-7", "scientific"),
    ("9007199254740992.0", "2^53"), ("812345678901234600.0", "2^53"),
    ("A&amp;B", "HTML entity"), ("A&#38;B", "HTML entity"),
    ('{"sku":1}', "list or record"), ('["a","b"]', "list or record"),
    ("true", "boolean"), ("False", "boolean"),
    ("['a', 'b']", "list or record"), ("x" * 257, "longer than 256"),
]  # fmt: skip
REAL = ["1E5", "12e3", "4e12", "1E-5", "E+5", "3.14", "R&D", "AT&T", "{0F8FAD5B-D9CB-469F-A165-70867728950E}",
        "红茶-1", "Ünïcode", "#1000", "0", "000", "a@b.example", "-1", "x" * 256, "NULL-1", "nana",
        "[sale] 1"]  # fmt: skip
NULLS = ["", "  ", "\u3000", "NULL", "null", "\\N", "NaN", "nan", "None", "<NA>", "N/A", "#N/A", "undefined", "(null)",
         "nil", "-", " NULL ", "NaT", "00000000-0000-0000-0000-000000000000", "[object Object]"]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), CLEANED)
def test_an_id_is_cleaned(text: str, wanted: str) -> None:
    assert ids.clean(text) == ids.parse(text) == wanted


@pytest.mark.parametrize(("text", "rule"), REFUSED)
def test_an_id_that_breaks_a_rule_is_refused(text: str, rule: str) -> None:
    assert rule in str(ids.broken_rule(ids.clean(text)))
    with pytest.raises(ValueError, match="not an id"):
        ids.parse_optional(text)


@pytest.mark.parametrize("text", REAL)
def test_ids_that_shops_have_are_unchanged(text: str) -> None:
    assert ids.parse(text) == text


@pytest.mark.parametrize("text", NULLS)
def test_words_that_stand_for_no_value_are_no_id(text: str) -> None:
    assert ids.parse_optional(text) is None
    with pytest.raises(ValueError, match="stands for no value"):
        ids.parse(text)


def test_a_shop_adds_its_own_words() -> None:
    assert ids.parse("0") == "0"
    token = ids.shop_null_ids.set(frozenset({"0", "guest"}))
    try:
        assert [ids.parse_optional(text) for text in ("0", " Guest ", "00")] == [None, None, "00"]
    finally:
        ids.shop_null_ids.reset(token)


def generate(n: int) -> list[str]:
    """Return texts made of parts that matter to some rule, in random order."""
    rng = random.Random(7)
    known = [text for text, _ in CLEANED + REFUSED] + REAL + NULLS
    parts = [
        *"aZ019.,+-eE &;#[]{}\"'\\/", "e\u0301", "\u00e9", "\u1100\u1161", "\u2126", "\u212b", "红", "😀", "amp",
        "&lt;", ".0", "E+",
        *map(chr, (0, 9, 10, 0x1F, 0x7F, 0x85, 0xA0, 0xAD, 0x34F, 0x61C, 0x1680, 0x180E, *range(0x1FFF, 0x2071), 0x3000,
                   0x3164, 0xFEFF, 0xFFFD, 0xE0041)),
    ]  # fmt: skip
    made = ["".join(rng.choices(parts, k=rng.randint(1, 6))) for _ in range(n)]
    digits = ["".join(rng.choices("0123456789", k=rng.randint(1, 20))) for _ in range(n // 10)]
    numbers = [f"{d}{rng.choice(['', '.0', '.5', 'e3', 'E+3', '.1e9', ',5E+2'])}" for d in digits]
    padded = [rng.choice(ids.BLANKS) + text + rng.choice(ids.BLANKS) for text in known]
    return [*known, *padded, *made, *numbers]


def test_ingest_and_service_agree_on_every_id() -> None:
    texts = generate(4000)
    backend = ibis.duckdb.connect()
    register_functions(backend.con)
    field = FIELDS["events"]["user_id"]
    words = ids.words_for_null(["0", "Guest"])
    rows = ibis.memtable({"n": range(len(texts)), "given": texts}).mutate(text=lambda t: cleaned(t.given))
    rows = rows.mutate(value=lambda t: to_value(t.text, field, words))
    found = broken_rule({"user_id": rows.text}, {"user_id": rows.value}, {"user_id": field}, {}, {"user_id": words})
    ingested = backend.to_pyarrow(rows.mutate(rule=found).order_by("n")).to_pylist()
    ids.shop_null_ids.set(frozenset({"0", "guest"}))
    for text, row in zip(texts, ingested, strict=True):
        try:
            served, refused = ids.parse_optional(text), ""
        except ValueError as error:
            served, refused = None, str(error).removeprefix("not an id: ")
        rule = (row["rule"] or "").removeprefix("user_id: ")
        if refused or served is None:
            assert rule == refused if refused else rule.startswith("missing"), repr(text)
        else:
            assert (row["value"], rule) == (served, ""), repr(text)
    ids.shop_null_ids.set(frozenset())
