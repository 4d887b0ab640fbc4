"""The page: self-contained, escaped, reproducible, and with an explanation of its numbers."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from components.contracts import ChampionRef
from components.evaluation import report
from components.evaluation.evaluator import Roles, ServingChampion, measure, read_windows, summarise
from components.evaluation.report import Favourite, Protocol, favourites_of, write_report
from components.evaluation.report_data import Bootstrap
from components.params import Params
from tests.components.evaluation.support import Fake, one_list, oracle, small_params
from tests.support import checkerboard

REF = ChampionRef(version=3, digest="d" * 64, model="als")
ROLES = Roles(order=["popularity", "als", "ease"], simple=["popularity", "als"], baselines=["popularity", "als"])
PROTOCOL = Protocol([2, 5], True, 20, 5, ("2026-01-01T00:00:00+00:00", "2026-01-15T00:00:00+00:00"), 59, 0.0)
NASTY = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "formula": '=HYPERLINK("http://evil.example","click")',
    "markdown": "![x](javascript:alert(3)) [y](http://evil.example)",
    "template": "{{ 7 * 7 }}{% raw %}",
    "entity": "&lt;b&gt; &#9733;",
    "quote": "\" onmouseover=alert(4) '",
}


class Page(HTMLParser):
    """Collects the tags, attributes and texts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "img", "rect", "line", "path", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def make(
    split: Path, params: Params, titles: list[str], champion: ServingChampion | None = None, **change: object
) -> Page:
    windows = read_windows(split, params)
    models = {"ease": oracle(), "als": oracle(0.5), "popularity": one_list}
    loaders = {name: lambda name=name, score=score: Fake(name, score) for name, score in models.items()}
    measured = measure(windows, loaders, champion, params, split / "per_user.parquet")
    evaluation = summarise(windows, measured, champion, params, ROLES).model_copy(update=change)
    favourites = {"ease": [Favourite(title, 0.5) for title in titles]}
    write_report(split, evaluation, favourites, PROTOCOL, Bootstrap(0.95, 200, 1))
    return Page((split / "report.html").read_text(encoding="utf-8"))


@pytest.fixture
def champion() -> ServingChampion:
    return ServingChampion(REF, Fake("champion", oracle(0.7)), saw_test=False)


def test_input_is_never_markup(split: Path, params: Params) -> None:
    page = make(split, params, list(NASTY.values()))
    assert not {"script", "img", "iframe", "object", "link", "form"} & {tag for tag, _ in page.tags}
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    for title in NASTY.values():  # shown as plain text
        assert " ".join(title.split()) in page.text


def test_the_page_is_self_contained(split: Path, params: Params) -> None:
    page = make(split, params, ["a title"])
    html = (split / "report.html").read_text(encoding="utf-8")
    links = [v for _, attrs in page.tags for k, v in attrs.items() if k in ("src", "href")]
    assert links == ["#models", "../history/report.html"]
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert len(html.encode()) < 1_500_000


def test_the_page_is_accessible(split: Path, params: Params, champion: ServingChampion) -> None:
    page = make(split, params, ["a title"], champion)
    assert page.open == []  # every element is closed
    assert ("html", {"lang": "en"}) in page.tags
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    pictures = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(pictures) == 4
    assert all(p["role"] == "img" and p["aria-label"] for p in pictures)
    headers = [attrs for tag, attrs in page.tags if tag == "th"]
    assert all("scope" in h for h in headers)
    assert sum(tag == "caption" for tag, _ in page.tags) == sum(tag == "table" for tag, _ in page.tags)


def test_text_has_enough_contrast() -> None:
    """WCAG AA, 4.5 to 1, in light and dark."""
    css = (report.TEMPLATES / "report.css").read_text(encoding="utf-8")
    light, dark = (
        dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6})", block)) for block in re.findall(r":root\{[^}]*\}", css)
    )
    for colours in (light, dark):
        for front, back in (
            ("ink", "paper"), ("muted", "paper"), ("muted", "soft"), ("challenger", "paper"), ("champion", "paper"),
            ("challenger", "soft"), ("champion", "soft"), ("note-ink", "note"), ("warn-ink", "warn"),
        ):  # fmt: skip
            assert contrast(colours[front], colours[back]) >= 4.5, (front, back)


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_page_of_a_refresh_speaks_of_its_holdout(split: Path, params: Params, champion: ServingChampion) -> None:
    selected = {"validation": {}, "overfit_gap": {}, "in_fold": {}, "choice": None}
    text = make(split, params, ["a title"], champion, purpose="refresh", **selected).text
    assert "users of the holdout" in text
    assert "the recipe of the champion on newer events" in text
    assert not re.search("validation|test window|other candidates|not asked", text, re.IGNORECASE)


def test_the_page_explains_its_numbers(split: Path, params: Params, champion: ServingChampion) -> None:
    plain = make(split, params, [], champion, simulated=False).text
    assert "Simulated shop." not in plain
    assert "Leave-one-out, for comparison" not in plain
    assert "may know this test window" not in plain
    assert "ease ranks ahead of the champion (als, version 3)" in plain
    assert "Simulated shop." in make(split, params, [], champion, simulated=True).text
    assert (
        "Leave-one-out, for comparison with papers." in make(split, params, [], champion, protocol="leave_one_out").text
    )
    saw = make(split, params, [], replace(champion, saw_test=True))
    assert "The champion may know this test window." in saw.text


def test_first_run_is_shown_against_the_best_baseline(split: Path, params: Params) -> None:
    text = make(split, params, []).text
    assert "ease ranks ahead of als" in text
    assert "no champion serves yet" in text
    assert "The best simple model on these users" not in text  # it is the reference itself


def test_the_champion_is_the_reference_and_the_best_baseline_stands_beside_it(
    split: Path, params: Params, champion: ServingChampion
) -> None:
    text = make(split, params, [], champion).text
    assert "ease ranks ahead of the champion" in text
    assert re.search(
        r"The best simple model on these users is als , 0\.\d{4}: the challenger is ahead of it by \+0\.", text
    )


def test_the_page_says_why_the_challenger_was_chosen(split: Path, params: Params) -> None:
    text = make(split, params, [], in_fold={"als": 0.9123}).text
    assert "Ease is the best candidate on validation, " in text
    assert "no simpler candidate is within one standard error of it (2 candidates)" in text
    assert "in fold 0.9123" in text
    assert "Its figure there is out of fold" in text
    without = make(split, params, [], choice=None).text
    assert "Why this challenger" not in without
    assert "out of fold" not in without


def test_equal_models_are_level(split: Path, params: Params) -> None:
    same = ServingChampion(REF, Fake("champion", oracle()), saw_test=False)
    text = make(split, params, [], same).text
    assert "ease cannot be told apart from the champion" in text
    assert "The interval holds zero." in text


def test_same_numbers_same_bytes(split: Path, params: Params, champion: ServingChampion) -> None:
    def written() -> dict[str, bytes]:
        make(split, params, ["红色 连衣裙"], champion)
        return {f.name: f.read_bytes() for f in [split / "report.html", *sorted((split / "plots").iterdir())]}

    first = written()
    assert set(first) == {"report.html", "models.svg", "differences.svg", "gains.svg", "slices.svg"}
    assert written() == first


def test_gains_are_returned_for_every_other_model(split: Path, params: Params, champion: ServingChampion) -> None:
    windows = read_windows(split, params)
    loaders = {
        n: lambda n=n, s=s: Fake(n, s)
        for n, s in {"ease": oracle(), "als": oracle(0.5), "popularity": one_list}.items()
    }
    measured = measure(windows, loaders, champion, params, split / "per_user.parquet")
    evaluation = summarise(windows, measured, champion, params, ROLES)
    gains = write_report(split, evaluation, {}, PROTOCOL, Bootstrap(0.95, 200, 1))
    assert set(gains) == {"als", "popularity", "champion"}
    for name, interval in gains.items():
        exact = evaluation.test["ease"]["ndcg_at_5"] - evaluation.test[name]["ndcg_at_5"]
        assert interval.gain == pytest.approx(exact, abs=1e-6)


def test_favourites_count_users_and_name_products_without_a_title() -> None:
    catalogue = checkerboard()[1]
    catalogue = replace(catalogue, title=["", "", *catalogue.title[2:]])
    lists = np.array([[1, 2, 9], [1, 3, 9], [1, 2, 9], [0, 0, 9]], np.int32)
    rows = favourites_of(lists, catalogue, k=2, n=5)
    assert [(r.title, r.share) for r in rows] == [
        ("sku-1", 0.75),
        (catalogue.title[2], 0.5),
        (catalogue.title[3], 0.25),
    ]


def test_the_page_says_which_question_decided(split: Path, params: Params, champion: ServingChampion) -> None:
    assert "next_event" not in make(split, params, [], champion).text.replace("Lists made anew before each event", "")
    text = make(split, small_params("gate.primary=next_event"), [], champion).text
    assert "users of the test window, by lists made anew before each event (gate.primary next_event)" in text
    assert "Histories frozen where the window begins" in text  # a slice
    assert "A list before each target event" in text
