"""The answer: exactly what schemas.Answer describes, and an exposure of what it lists."""

import pytest
from fastapi.testclient import TestClient

from components.release.bundle import Bundle
from components.serving.http.answers import build_answer
from components.serving.inference.recommendations import RenderedList, render_items
from components.serving.models.router import Variant
from components.serving.models.watcher import ServedModel
from components.serving.schemas import Answer, Item
from tests.components.serving.support import ids, post_events, recommend

ITEMS = [
    Item(item_id="P1", title='a "red" pot, 红茶壶', score=1.25, contributions={"ease": 1.25}, explained_by="P2"),
    Item(item_id="P2", title="", score=-0.0),
]


@pytest.mark.parametrize("experiment", [None, "spring"])
@pytest.mark.parametrize("reason", [None, 'read as "红茶壶"'])
@pytest.mark.parametrize("items", [ITEMS, []])
def test_the_body_equals_the_json_of_the_schema(experiment: str | None, reason: str | None, items: list[Item]) -> None:
    served = ServedModel(7, object.__new__(Bundle))
    variant = Variant(served, "new" if experiment else None, experiment)
    response = build_answer("r-1", variant, RenderedList(render_items(items), "ease", reason))
    expected = Answer(
        request_id="r-1", version=7, experiment=experiment, arm=variant.arm, model="ease", reason=reason, items=items
    )
    read = Answer.model_validate_json(bytes(response.body))
    assert read == expected
    assert list(read.model_dump()) == list(expected.model_dump())
    assert bytes(response.body).startswith(b'{"request_id":"r-1","version":7,"experiment":')
    if reason is None:
        assert bytes(response.body) == expected.model_dump_json().encode()


def test_every_list_has_the_fields_of_the_schema(client: TestClient) -> None:
    post_events(client, "ann", 1, 3)
    requests = [
        ("/recommend", {"user_id": "ann"}),
        ("/recommend", {"user_id": "ann", "explain": True}),
        ("/search", {"query": "red"}),
        ("/similar", {"item_id": "sku-1"}),
        ("/bundle", {"item_id": "sku-1"}),
        ("/explain", {"user_id": "ann", "item_ids": ["sku-2"]}),
    ]
    for path, body in requests:
        answer = client.post(path, json=body).json()
        assert list(answer) == list(Answer.model_fields), path
        assert list(answer["items"][0]) == list(Item.model_fields), path


def test_a_list_is_exposed_and_an_explanation_is_not(client: TestClient) -> None:
    exposed = []
    client.service.exposures.add = exposed.append  # type: ignore[attr-defined]
    answer = recommend(client, user_id="ann", k=3, context={"session_id": "s1"})
    client.post("/explain", json={"user_id": "ann", "item_ids": ["sku-2"]})
    assert [list(e.item_ids) for e in exposed] == [ids(answer)]
    assert (exposed[0].user_id, exposed[0].session_id) == ("ann", "s1")
    assert (exposed[0].request_id, exposed[0].route) == (answer["request_id"], "/recommend")
