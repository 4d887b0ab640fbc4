"""Masking finds what was planted, leaves what only looks like it, and is the same in DuckDB and Python."""

import time
from collections.abc import Iterator

import duckdb
import pytest

from components.params import PERSONAL_DATA
from components.privacy.candidates import CANDIDATES
from components.privacy.masking import find, mask
from tests.components.privacy import planted
from tests.components.privacy.forms import FORMS, ORDINARY

TEXTS = planted.make(seed=20, n=2_000)


def parts(text: str) -> Iterator[str]:
    return (text[span.start : span.end] for span, _ in find(text, PERSONAL_DATA))


def test_of_2000_planted_texts_nearly_all_is_found_and_little_else() -> None:
    secrets = [(planted_text.text, secret) for planted_text in TEXTS for _, secret in planted_text.secrets]
    assert len(secrets) == 1_000
    n_hidden = sum(secret not in mask(text, PERSONAL_DATA).text for text, secret in secrets)
    found = [(text, part) for text in TEXTS for part in parts(text.text)]
    n_true = sum(any(part in secret or secret in part for _, secret in text.secrets) for text, part in found)
    assert n_hidden / len(secrets) >= 0.99  # recall
    assert n_true / len(found) >= 0.99  # precision


@pytest.mark.parametrize("kind", PERSONAL_DATA)
def test_every_kind_is_found_by_its_name(kind: str) -> None:
    texts = [text for text in TEXTS if any(name == kind for name, _ in text.secrets)]
    named = sum(kind in mask(text.text, PERSONAL_DATA).kinds for text in texts)
    assert len(texts) > 20
    assert named / len(texts) >= 0.97


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FORMS.items() for text in texts])
def test_forms_that_people_use_are_found(kind: str, text: str) -> None:
    assert kind in mask(text, PERSONAL_DATA).kinds


def test_texts_of_shops_that_only_look_like_personal_data_stay_as_they_are() -> None:
    changed = [text for text in ORDINARY if mask(text, PERSONAL_DATA).kinds]
    assert len(ORDINARY) > 200
    assert len(changed) / len(ORDINARY) < 0.01, changed


def test_duckdb_lets_every_text_with_personal_data_through() -> None:
    texts = [text.text for text in TEXTS] + [text for forms in FORMS.values() for text in forms]
    sql = "SELECT regexp_matches(text, ?) OR regexp_matches(text, ?) FROM (SELECT unnest(?) AS text)"
    is_candidate = [row[0] for row in duckdb.execute(sql, [*CANDIDATES, texts]).fetchall()]
    lost = [text for text, through in zip(texts, is_candidate, strict=True) if parts_of(text) and not through]
    assert lost == []
    assert sum(is_candidate) < len(texts)  # ordinary texts are not looked at further


def parts_of(text: str) -> list[str]:
    return list(parts(text))


def test_a_masked_text_is_not_changed_again() -> None:
    for text in TEXTS:
        once = mask(text.text, PERSONAL_DATA)
        assert mask(once.text, PERSONAL_DATA).text == once.text


def test_only_the_chosen_kinds_are_masked() -> None:
    text = "write to john@example.com or call 555-123-4567"
    assert mask(text, ["email"]).text == "write to [email] or call 555-123-4567"
    assert mask(text, ["phone"]).text == "write to john@example.com or call [phone]"
    assert mask(text, []) == (text, ())


def test_a_mask_may_be_a_blank() -> None:
    assert mask("red shoes john@example.com", PERSONAL_DATA, with_names=False).text.split() == ["red", "shoes"]


def test_every_mask_counts() -> None:
    found = mask("a@example.com, b@example.com, 手机13812345678", PERSONAL_DATA)
    assert found == ("[email], [email], 手机[phone]", ("email", "email", "phone"))


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("card 4111 1111 1111 1112", ()),  # the Luhn digit is wrong
        ("DE89 3704 0044 0532 0130 01", ()),  # modulo 97
        ("110105194912310021", ()),  # the check digit is X
        ("身份证 110105194912310021", ("national_id",)),  # a number that the text calls an id, with a slip
        ("订单号 110105194912310021", ()),
        ("order 5551234567 came", ()),
        ("call 5551234567", ("phone",)),
    ],
)
def test_check_digits_and_words_decide(text: str, kinds: tuple[str, ...]) -> None:
    assert mask(text, PERSONAL_DATA).kinds == kinds


@pytest.mark.parametrize(
    "part",
    ["1 ", "a.", "北京市", "建国路", "花园小区", "call ", "12 Main Oak ", "3704 ", "一二三四", ", Abc", "3号", "@"],
)
def test_a_long_hostile_text_takes_no_long_time(part: str) -> None:
    """Texts have at most 2 * data.max_text_chars characters here; a pattern that backtracks would take hours."""
    text = part * (20_000 // len(part)) + " john@example.com"
    started = time.process_time()
    assert "email" in mask(text, PERSONAL_DATA).kinds
    assert time.process_time() - started < 20  # seconds
