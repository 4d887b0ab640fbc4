"""Merchandising over HTTP: rules need the token, change lists at once, are audited, and are named in exposures."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from components.params import Params
from components.serving.http.merchandising import describe_rule
from components.serving.models.watcher import ModelWatcher
from components.serving.storage.merchandising import MerchandisingRule
from tests.components.serving.support import TOKEN, ids, post_events, recommend, serving_client

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def add(client: TestClient, **rule: object) -> dict:
    reply = client.post("/admin/rules", json={"by": "ann", **rule}, headers=BEARER)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def remove(client: TestClient, rule_id: str) -> dict:
    reply = client.post("/admin/rules/remove", json={"rule_id": rule_id, "by": "bob"}, headers=BEARER)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def test_rules_change_cached_lists_at_once_and_are_removed_again(client: TestClient) -> None:
    post_events(client, "u", 1)
    before = ids(recommend(client, user_id="u", k=5))
    assert ids(recommend(client, user_id="u", k=5)) == before  # from the cache
    pinned = add(client, kind="pin", item_id="sku-20", position=2)
    answer = recommend(client, user_id="u", k=5)
    assert ids(answer) == [before[0], "sku-20", *before[1:4]]
    assert [item["rule"] for item in answer["items"]] == [None, pinned["rule_id"], None, None, None]
    buried = add(client, kind="bury", item_id=before[0])
    expected = [before[1], "sku-20", *before[2:5]]
    assert ids(recommend(client, user_id="u", k=5)) == expected
    assert ids(recommend(client, user_id="u", k=5)) == expected  # from the cache
    assert ids(recommend(client, user_id="u", k=5, explain=True)) == expected
    remove(client, pinned["rule_id"])
    assert remove(client, buried["rule_id"])["rules"] == []
    answer = recommend(client, user_id="u", k=5)
    assert (ids(answer), {item["rule"] for item in answer["items"]}) == (before, {None})


def test_a_pin_obeys_filters_and_reaches_visitors_without_history(client: TestClient) -> None:
    add(client, kind="pin", item_id="sku-20", position=1)
    assert ids(recommend(client, k=3))[0] == "sku-20"
    assert "sku-20" not in ids(recommend(client, k=3, exclude=["sku-20"]))
    assert "sku-20" not in ids(recommend(client, k=3, filters={"category": "odd red"}))


def test_a_buried_product_is_listed_where_no_other_is_left(client: TestClient) -> None:
    add(client, kind="bury", where='category == "even blue"')
    listed = ids(recommend(client, k=20))
    assert len(listed) == 20
    assert [int(name.removeprefix("sku-")) % 2 for name in listed] == [1] * 10 + [0] * 10


def test_a_rule_of_a_category_is_for_its_lists_only(client: TestClient) -> None:
    add(client, kind="boost", item_id="sku-20", factor=100, category="even blue")
    everywhere = ids(recommend(client, k=3))
    assert "sku-20" not in everywhere
    assert ids(recommend(client, k=3, filters={"category": "even blue"}))[0] == "sku-20"


def found(client: TestClient, path: str, **body: object) -> list[tuple[str, str | None]]:
    """Return (item_id, rule) of the products that a route lists."""
    reply = client.post(path, json=body)
    assert reply.status_code == 200, reply.text
    return [(item["item_id"], item["rule"]) for item in reply.json()["items"]]


def test_a_search_obeys_the_rules_among_what_matches(client: TestClient) -> None:
    before = found(client, "/search", query="red", k=4)
    names = [name for name, _ in before]
    every = [name for name, _ in found(client, "/search", query="red", k=8)]
    assert {int(name.removeprefix("sku-")) % 2 for name in every} == {1}
    buried = add(client, kind="bury", item_id=names[0])
    assert found(client, "/search", query="red", k=4) == [(name, None) for name in every[1:5]]
    by_id = found(client, "/search", query=names[0], k=4)
    assert by_id[0][0] == names[0]  # a customer who asks for it by its number finds it
    pinned = add(client, kind="pin", item_id=every[6], position=2)
    add(client, kind="pin", item_id="sku-2", position=1)  # blue: no word of it matches
    listed = [every[1], every[6], every[2], every[3]]
    assert [name for name, _ in found(client, "/search", query="red", k=4)] == listed
    assert found(client, "/search", query="red", k=4)[1][1] == pinned["rule_id"]
    remove(client, buried["rule_id"])
    remove(client, pinned["rule_id"])
    assert found(client, "/search", query="red", k=4) == before


@pytest.mark.parametrize("path", ["/similar", "/bundle"])
def test_lists_of_a_product_obey_the_rules_and_gain_no_pinned_stranger(client: TestClient, path: str) -> None:
    before = [name for name, _ in found(client, path, item_id="sku-1", k=4)]
    longer = [name for name, _ in found(client, path, item_id="sku-1", k=7)]
    assert longer[:4] == before
    add(client, kind="bury", item_id=before[0])
    stranger = add(client, kind="pin", item_id="sku-20", position=1)
    assert [name for name, _ in found(client, path, item_id="sku-1", k=4)] == longer[1:5]
    remove(client, stranger["rule_id"])
    pinned = add(client, kind="pin", item_id=before[3], position=1)
    assert found(client, path, item_id="sku-1", k=2) == [(longer[1], None), (longer[2], None)]  # not listed anyway
    assert found(client, path, item_id="sku-1", k=4)[0] == (before[3], pinned["rule_id"])
    add(client, kind="boost", item_id=longer[6], factor=100)
    assert longer[6] in [name for name, _ in found(client, path, item_id="sku-1", k=4)][:2]


def test_diversity_keeps_pins_and_leaves_buried_products_out(client: TestClient) -> None:
    post_events(client, "u", 1, 3)
    before = ids(recommend(client, user_id="u", k=4, diversity=0.3))
    add(client, kind="pin", item_id="sku-20", position=1)
    add(client, kind="bury", item_id=before[0])
    after = ids(recommend(client, user_id="u", k=4, diversity=0.3))
    assert after[0] == "sku-20"
    assert before[0] not in after
    assert len(after) == 4


def test_another_process_applies_the_rule(client: TestClient, watcher: ModelWatcher, params: Params) -> None:
    with serving_client(watcher, params) as other:
        add(client, kind="pin", item_id="sku-20")
        other.service.merchandising.refresh()  # type: ignore[attr-defined]
        assert ids(recommend(other, k=3))[0] == "sku-20"


def test_rules_outlive_the_process(watcher: ModelWatcher, params: Params) -> None:
    with serving_client(watcher, params) as client:
        add(client, kind="pin", item_id="sku-20")
    with serving_client(watcher, params) as client:
        assert ids(recommend(client, k=3))[0] == "sku-20"  # the first answer, too
        listed = client.get("/admin/rules", headers=BEARER).json()["rules"]
    assert [(r["kind"], r["position"], r["by"], r["n_products"], r["is_active"]) for r in listed] == [
        ("pin", 1, "ann", 1, True)
    ]


def test_changes_are_audited_and_exposures_name_the_rule(watcher: ModelWatcher, params: Params) -> None:
    with serving_client(watcher, params) as client:
        rule = add(client, kind="pin", item_id="sku-20", position=2, category="even blue")
        recommend(client, k=3, filters={"category": "even blue"})
        remove(client, rule["rule_id"])
        recommend(client, k=3)
    lines = [json.loads(line) for line in (watcher.folder.parent / "audit.jsonl").read_text().splitlines()]
    what = f'merchandising: pin sku-20 at 2 in "even blue" (rule {rule["rule_id"]})'
    changes = [(line["what"], line["outcome"], line["by"]) for line in lines if "by" in line]
    assert changes == [(what, "added", "ann"), (what, "removed", "bob")]
    rows = [
        row
        for file in sorted(Path(watcher.folder, "exposures").glob("*.parquet"))
        for row in pq.read_table(file).to_pylist()
    ]
    rules = [(row["item_id"], row["position"], row["rule"]) for row in rows]
    assert rules[1] == ("sku-20", 2, rule["rule_id"])
    assert [name for _, _, name in rules[:1] + rules[2:]] == [None] * 5


def test_a_preview_changes_nothing(client: TestClient) -> None:
    before = ids(recommend(client, k=3))
    draft = {"kind": "pin", "item_id": "sku-20", "by": "ann"}
    reply = client.post("/admin/rules/preview", json={"k": 3, "rule": draft}, headers=BEARER).json()
    assert [item["item_id"] for item in reply["before"]] == before
    assert [item["item_id"] for item in reply["after"]] == ["sku-20", *before[:2]]
    assert ids(recommend(client, k=3)) == before
    add(client, **{k: v for k, v in draft.items() if k != "by"})
    reply = client.post("/admin/rules/preview", json={"k": 3}, headers=BEARER).json()
    assert [next(i["item_id"] for i in reply[name]) for name in ("before", "after")] == [before[0], "sku-20"]


@pytest.mark.parametrize(
    ("rule", "detail"),
    [
        ({"kind": "pin"}, "1 error"),
        ({"kind": "pin", "where": "price > 1"}, "1 error"),
        ({"kind": "bury"}, "1 error"),
        ({"kind": "bury", "item_id": "sku-1", "where": "price > 1"}, "1 error"),
        ({"kind": "bury", "item_id": "sku-1", "position": 2}, "1 error"),
        ({"kind": "pin", "item_id": "sku-1", "factor": 2}, "1 error"),
        ({"kind": "boost", "item_id": "sku-1", "factor": 1}, "1 error"),
        ({"kind": "pin", "item_id": "sku-1", "by": "a\nb"}, "1 error"),
        ({"kind": "bury", "where": "colour == 3"}, "where: "),
        ({"kind": "pin", "item_id": "sku-1", "until": "2020-01-01T00:00:00Z"}, "until: expected a time in the future"),
    ],
)
def test_what_makes_no_rule_is_refused(client: TestClient, rule: dict, detail: str) -> None:
    reply = client.post("/admin/rules", json={"by": "ann", **rule}, headers=BEARER)
    assert reply.status_code == 422
    assert detail in reply.json()["detail"]
    assert client.get("/admin/rules", headers=BEARER).json()["rules"] == []


def test_the_routes_need_the_token(client: TestClient) -> None:
    assert client.get("/admin/rules").status_code == 401
    for path in ("/admin/rules", "/admin/rules/remove", "/admin/rules/preview"):
        assert client.post(path, json={}).status_code == 401
    assert client.post("/admin/rules/remove", json={"rule_id": "x", "by": "a"}, headers=BEARER).status_code == 404
    unknown = {"kind": "pin", "item_id": "unknown", "by": "a"}
    assert client.post("/admin/rules", json=unknown, headers=BEARER).status_code == 404


def test_a_rule_is_one_line_of_the_audit_log() -> None:
    rule = MerchandisingRule(
        rule_id="boost-1", kind="boost", where='brand == "X"', factor=2.5, until=10**15, by="ann", created_at=0
    )
    assert describe_rule(rule) == (
        'merchandising: boost products where brand == "X" by 2.5 until 2001-09-09T01:46:40+00:00 (rule boost-1)'
    )
