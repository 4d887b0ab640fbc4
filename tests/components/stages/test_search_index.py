"""Search weights are learned on the validation window with the clicks before it; a recipe's are taken as they are."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Catalogue
from components.data.tables import SplitInfo
from components.language.encoder import Encoder
from components.params import Params, SearchWeightsParams, SelectionParams, load
from components.recommenders.popularity import PopularityRecommender
from components.search.clicks import query_words
from components.search.index import SearchIndex
from components.stages.search_index import build_search
from components.times import to_micros
from tests.components.language.tiny import tiny_bert
from tests.components.search.test_clicks import write_searches
from tests.components.stages.support import selected
from tests.support import ROOT

KINDS, PER_KIND = ("red tea", "blue cup", "green kettle"), 10
N = len(KINDS) * PER_KIND
RECIPE = SearchWeightsParams(words=1, similarity=2, popularity=3, clicks=4)
LEARNS = ["search.min_queries=20"]


def shop(*lines: str) -> Params:
    return load(ROOT / "params.yaml", overrides=[*LEARNS, *lines])


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def catalogue(encoder: Path) -> Catalogue:
    """Ten products of each kind, with one text: only clicks tell them apart."""
    text = ["", *(kind for kind in KINDS for _ in range(PER_KIND))]
    empty = [""] * (N + 1)
    vectors = Encoder.load(encoder, shop().language).encode(text[1:])
    return Catalogue(
        item_id=["", *(f"p{n}" for n in range(1, N + 1))], title=text, text=text, brand=empty, category=empty,
        language=empty, price=np.ones(N + 1, np.float32), embedding=np.vstack([np.zeros_like(vectors[:1]), vectors]),
    )  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A split whose validation window is 10 to 20 January, and searches: the third product of each kind is clicked."""
    day = [to_micros(datetime(2026, 1, d, tzinfo=UTC)) for d in (10, 20, 25)]
    info = SplitInfo(
        protocol="global_time", train_end=day[0], validation_end=day[1], test_end=day[2], n_users=1, n_items=N,
        max_history=5, simulated=True,
    )  # fmt: skip
    (tmp_path / "data/split").mkdir(parents=True)
    (tmp_path / "data/split/split.json").write_text(info.model_dump_json())
    model = PopularityRecommender(shop().models.popularity)
    model.n_items, model.popularity = N, np.full(N + 1, 0.5, np.float32)
    model.save(tmp_path / "models/simple/popularity")
    rows = [(KINDS[n % 3], f"p{(n % 3) * PER_KIND + 3}", "u", 1 + n % 18) for n in range(180)]
    write_searches(tmp_path / "data/snapshot", [*rows, *[("red tea", "p9", "u", 22)] * 50])
    return tmp_path


def test_clicks_put_the_product_that_shoppers_choose_first(root: Path, catalogue: Catalogue, encoder: Path) -> None:
    index, about = build_search(root, shop(), catalogue, encoder, None)
    assert index.weights is not None
    assert "the learned weights count" in about
    assert f"clicks {index.weights.clicks:g}" in about
    assert index.weights.clicks > 0
    assert index.search("red tea", 3).items[0] == 3
    assert index.clicks is not None
    word = query_words("red")[0]
    assert index.clicks.per_word(word, N)[3] == 60  # those of both windows
    assert index.clicks.per_word(word, N)[9] == 0  # not of the test window
    assert SearchIndex.build(catalogue, shop().search).search("red tea", 3).items[0] == 1


def test_a_saved_index_keeps_clicks_and_weights(root: Path, catalogue: Catalogue, encoder: Path) -> None:
    index, _ = build_search(root, shop(), catalogue, encoder, None)
    index.save(root / "a")
    again = SearchIndex.load(root / "a", catalogue)
    again.save(root / "b")
    assert again.weights == index.weights
    assert again.search("red tea", 5).items.tolist() == index.search("red tea", 5).items.tolist()
    for name in ("arrays.safetensors", "search.json"):
        assert (root / "a" / name).read_bytes() == (root / "b" / name).read_bytes()


def test_a_recipe_fixes_the_weights_and_new_clicks_count(root: Path, catalogue: Catalogue) -> None:
    fixed = SelectionParams.model_validate({**selected(sequence_epochs=3), "search": RECIPE.model_dump()})
    index, _ = build_search(root, shop().model_copy(update={"selection": fixed}), catalogue, None, None)
    assert index.weights == RECIPE
    assert index.clicks is not None
    plain = fixed.model_copy(update={"search": None})
    assert build_search(root, shop().model_copy(update={"selection": plain}), catalogue, None, None)[0].weights is None


@pytest.mark.parametrize("lines", [["search.min_queries=101"], []])
def test_without_enough_searches_or_an_encoder_the_weights_of_the_parameters_stay(
    root: Path, catalogue: Catalogue, encoder: Path, lines: list[str]
) -> None:
    index, about = build_search(root, shop(*lines), catalogue, encoder if lines else None, None)
    assert (index.weights, index.clicks) == (None, None)
    assert "the weights of the parameters count" in about
