"""Stop words of both languages, without those that name products."""

from components.language.stop_words import stop_words


def test_stop_words_are_of_both_languages_without_product_words() -> None:
    assert {"the", "and", "with", "的", "我们", "可以"} <= stop_words()
    assert not {"can", "down", "over", "no", "茶", "地毯", "目的"} & stop_words()


def test_all_are_lower_case_words() -> None:
    assert all(w == w.casefold() and w.strip() == w and w for w in stop_words())
