"""Routes of the page: lists with the words of the catalogue, samples of users, products, reports; no exposure."""

from pathlib import Path

from fastapi.testclient import TestClient

from components.applications.publish import publish
from components.applications.record import ApplicationRecord, write_application
from components.params import Params
from components.serving.http.page_routes import list_categories
from components.serving.models.watcher import ModelWatcher
from tests.components.applications.ads.test_published import make as make_ads
from tests.components.serving.support import N_ITEMS, TOKEN, ids, post_events, recommend, serving_client

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def test_a_comparison_is_the_list_that_is_served_with_words_of_the_catalogue(client: TestClient) -> None:
    post_events(client, "u", 1, 3)
    rule = {"kind": "pin", "item_id": "sku-20", "position": 1, "by": "ann"}
    assert client.post("/admin/rules", json=rule, headers=BEARER).status_code == 200
    found = client.post("/page/compare", json={"user_id": "u", "k": 4}).json()
    assert ids(found["champion"]) == ids(recommend(client, user_id="u", k=4))
    assert found["champion"]["items"][0]["rule"].startswith("pin-")
    assert found["challenger"] is None
    assert [event["item_id"] for event in found["history"]] == ["sku-3", "sku-1"]
    assert set(found["products"]) >= {"sku-1", "sku-3", *ids(found["champion"])}
    assert found["products"]["sku-20"]["category"] == "even blue"


def test_a_comparison_keeps_the_quotas_of_a_mixed_catalogue(mixed_watcher: ModelWatcher, params: Params) -> None:
    with serving_client(mixed_watcher, params) as client:
        assert client.get("/page/kinds").json() == {"product": 15, "article": 5}
        body = {"user_id": "u", "k": 6, "quotas": [{"kind": "article", "at_least": 3, "at_most": 3}]}
        found = client.post("/page/compare", json=body).json()
        assert [found["products"][item]["kind"] for item in ids(found["champion"])].count("article") == 3
        refused = client.post("/page/compare", json=body | {"k": 2})
        assert refused.status_code == 422
        assert "k = 2" in refused.json()["errors"][0]["what"]


def test_a_catalogue_without_kinds_is_of_products(client: TestClient) -> None:
    assert client.get("/page/kinds").json() == {"product": N_ITEMS}


def test_users_are_sampled(client: TestClient) -> None:
    post_events(client, "u", 1, 3)
    found = client.get("/page/samples").json()
    assert {kind: [user["user_id"] for user in users] for kind, users in found.items()} == {
        "active": ["u"], "new": ["u"], "returning": [], "random": ["u"],
    }  # fmt: skip


def test_products_are_found_and_described(client: TestClient) -> None:
    found = client.get("/page/products", params={"query": "blue", "k": 3}).json()
    assert len(found["items"]) == 3
    assert {found["products"][item["item_id"]]["category"] for item in found["items"]} == {"even blue"}
    described = client.post("/page/describe", json={"item_ids": ["sku-1", "unknown"]}).json()
    assert list(described) == ["sku-1"]
    assert client.get("/page/categories").json() == ["even blue", "odd red"]


def test_categories_include_those_above_them() -> None:
    assert list_categories(["", "Tea > Green", "Coffee", "Tea > Green > Sencha"]) == [
        "Coffee", "Tea", "Tea > Green", "Tea > Green > Sencha",
    ]  # fmt: skip


def test_no_route_of_the_page_logs_an_exposure(watcher: ModelWatcher, params: Params) -> None:
    with serving_client(watcher, params) as client:
        client.post("/page/compare", json={"user_id": "u"})
        client.get("/page/products", params={"query": "blue", "user_id": "u"})
        client.post("/admin/rules/preview", json={"user_id": "u"}, headers=BEARER)
        assert client.get("/page/traffic").json()["routes"] == {}
    assert not list(Path(watcher.folder, "exposures").glob("*.parquet"))


def test_a_report_that_does_not_exist_is_not_found(client: TestClient) -> None:
    assert client.get("/page/reports/1/evaluate").status_code == 404


def test_the_status_counts_the_rules(client: TestClient) -> None:
    assert client.get("/status").json()["merchandising_rules"] == 0


def test_campaigns_are_those_that_ads_published(watcher: ModelWatcher, params: Params, tmp_path: Path) -> None:
    with serving_client(watcher, params) as client:
        reply = client.get("/page/campaigns")
    assert (reply.status_code, "carousel ads --run" in reply.json()["detail"]) == (404, True)
    make_ads().save(tmp_path / "checkout/applications/ads")
    record = ApplicationRecord(application="ads", as_of="2026", simulated=True, ships="model", reasons=[], metrics={})
    write_application(tmp_path / "checkout", record)
    publish(tmp_path / "checkout", "ads", watcher.folder.parent)
    with serving_client(watcher, params) as client:
        found = client.get("/page/campaigns").json()
    assert [(c["campaign"], c["daily_budget"], c["spent"]) for c in found["campaigns"]] == [
        ("c1", 100.0, 0.0), ("c2", 100.0, 0.0), ("c3", 100.0, 0.0),
    ]  # fmt: skip
