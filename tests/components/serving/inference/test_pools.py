"""Mixed lists of a bundle with two kinds: quotas with filters, rules, diversity, and beyond the pool."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.release.bundle import Bundle, open_bundle
from components.serving.inference import recommendations as module
from components.serving.inference.histories import build_user, to_rows
from components.serving.inference.merchandising import Merchandiser
from components.serving.inference.rules import CatalogueFilter
from components.serving.inference.scorer import score_users
from components.serving.schemas import RecommendRequest
from components.serving.storage.merchandising import MerchandisingRule, RuleSet
from tests.components.serving.support import Remake

ARTICLES = {"sku-4", "sku-9", "sku-12", "sku-17"}


@pytest.fixture
def mixed(bundle: Path, remake: Remake) -> Bundle:
    """Return the bundle in which four items are articles."""
    table = pq.read_table(bundle / "items.parquet")
    kinds = ["article" if name in ARTICLES else None for name in table["item_id"].to_pylist()]
    content = io.BytesIO()
    pq.write_table(table.append_column("kind", pa.array(kinds, pa.string())), content, write_page_checksum=True)
    return open_bundle(remake("mixed", {"items.parquet": content.getvalue()}))


def listed(bundle: Bundle, pool: int = 50, rules: tuple[MerchandisingRule, ...] = (), **body: object) -> list[str]:
    request = RecommendRequest.model_validate({"history": [{"item_id": "sku-1"}], "k": 6, **body})
    user = build_user(bundle, to_rows(request.history, None))
    scored = score_users(bundle, [user], pool)[0]
    products = CatalogueFilter(bundle.catalogue, bundle.index)
    mask = products.allowed(request.filters, request.excluded, [])
    found = Merchandiser(RuleSet(rules, "v"), products).for_list(None) if rules else None
    items = module.recommend(bundle, user, scored, request, mask, found).items
    assert len({item.item_id for item in items}) == len(items)
    return [item.item_id for item in items]


def n_articles(names: list[str]) -> int:
    return sum(name in ARTICLES for name in names)


def test_a_list_holds_what_its_quotas_ask_for_in_the_models_order(mixed: Bundle) -> None:
    every = listed(mixed, k=19)
    products, articles = ([n for n in every if (n in ARTICLES) == is_article] for is_article in (False, True))
    three = listed(mixed, quotas=[{"kind": "article", "at_least": 3}])
    assert sorted(three, key=every.index) == three  # the model's order
    assert set(three) == {*products[:3], *articles[:3]}
    assert n_articles(listed(mixed, quotas=[{"kind": "article", "at_most": 0}])) == 0
    assert listed(mixed, quotas=[{"kind": "product", "at_most": 2}]) == sorted(
        [*products[:2], *articles[:4]], key=every.index
    )
    assert listed(mixed, quotas=[{"kind": "video", "at_least": 2}]) == every[:6]  # there is none


@pytest.mark.parametrize("pool", [3, 6, 10])
def test_quotas_reach_beyond_the_pool(mixed: Bundle, pool: int) -> None:
    quotas = [{"kind": "article", "at_least": 4}]
    assert listed(mixed, pool, quotas=quotas) == listed(mixed, 50, quotas=quotas)


def test_quotas_go_with_filters_diversity_and_rules(mixed: Bundle) -> None:
    quotas = [{"kind": "article", "at_least": 2, "at_most": 2}]
    red = listed(mixed, quotas=quotas, filters={"rules": ['category == "odd red"']})
    assert {name for name in red if name in ARTICLES} == {"sku-9", "sku-17"}
    assert all(int(name.removeprefix("sku-")) % 2 for name in red)
    assert n_articles(listed(mixed, quotas=quotas, diversity=0.5)) == 2
    only = listed(mixed, filters={"rules": ['kind == "article"']})
    assert set(only) == ARTICLES
    pin = MerchandisingRule.model_validate(
        {"rule_id": "pin-1", "kind": "pin", "item_id": "sku-20", "position": 1, "by": "ann", "created_at": 1}
    )
    pinned = listed(mixed, rules=(pin,), quotas=quotas)
    assert pinned[0] == "sku-20"
    bury = MerchandisingRule.model_validate(
        {"rule_id": "bury-1", "kind": "bury", "where": 'kind == "article"', "by": "ann", "created_at": 1}
    )
    assert n_articles(listed(mixed, rules=(bury,))) == 0
