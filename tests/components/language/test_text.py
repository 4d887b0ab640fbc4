"""Different notations of a text are normalised to the same text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data import shop_texts
from components.language.text import is_chinese, normalise, words


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  two   blanks\tand\nlines ", "two blanks and lines"),
        ("ＡＢＣ１２３，全角", "ABC123,全角"),
        ("<b>Bold</b> &amp; <i>more</i>", "Bold & more"),
        ("3 < 5 and 7 > 6", "3 < 5 and 7 > 6"),
        ("zero\u200bwidth \u202eturned", "zero width turned"),
        ("a\x00b\x1fc", "a b c"),
        ("\ufeffmark", "mark"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("👍🏽 שלום 你好", "👍🏽 שלום 你好"),
        ("", ""),
    ],
)
def test_normalise(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


@given(st.text(alphabet=st.characters(exclude_characters="<&"), max_size=200))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Watering Can, with a LONG spout!", ["watering", "can", "long", "spout"]),
        ("Don’t touch; size 3.5, AA batteries", ["touch", "size", "3.5", "aa", "batteries"]),
        ("I love it, and so do we", ["love"]),
        ("红茶壶", ["红", "红茶", "茶", "茶壶", "壶"]),
        ("这个价格的茶", ["价", "价格", "格", "格的", "的茶", "茶"]),
        ("我们了解", ["了解", "解"]),
        ("复古iPhone手机壳 3号", ["复", "复古", "古", "iphone", "手", "手机", "机", "机壳", "壳", "3", "号"]),
        ("我的", []),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert [w for w in words(text) if w not in ("们了", "个价")] == expected


def test_words_of_a_part_are_among_those_of_the_text() -> None:
    for query, title in (("红茶", "红茶壶"), ("茶壶", "红茶壶"), ("tea pot", "Red Tea Pot No. 5")):
        assert set(words(query)) <= set(words(title))


def test_no_word_of_a_product_is_a_stop_word() -> None:
    for _, (english, chinese) in shop_texts.KINDS:
        assert words(english) == english.split()
        assert words(chinese)


@given(st.text(max_size=100))
def test_words_are_lower_case_and_without_blanks(text: str) -> None:
    found = words(text)
    assert all(w and w == w.casefold() and " " not in w for w in found)


def test_is_chinese() -> None:
    assert is_chinese("tea 茶")
    assert not is_chinese("tea, ティー, 차")
