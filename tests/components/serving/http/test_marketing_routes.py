"""Routes /audiences: segments, audiences by expression and likeness, and who may read them."""

from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from components.applications.marketing.user_columns import MEANINGS
from components.serving.http.access import ReadAccess
from components.serving.http.problems import ProblemError
from components.serving.models import published
from components.serving.models.watcher import ModelWatcher
from tests.components.applications.marketing.published_shop import publish_small_shop


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "CHECK_S", 0.0)


@pytest.fixture
def shop(client: TestClient, watcher: ModelWatcher, tmp_path: Path) -> TestClient:
    """Return the client of a service beside which marketing is published."""
    publish_small_shop(tmp_path / "made", watcher.folder.parent)
    return client


def test_segments_and_audiences(shop: TestClient) -> None:
    found = shop.get("/audiences").json()
    assert sum(s["n_users"] for s in found["segments"] if s["kind"] == "value") == 300
    assert found["fields"]["orders"] == "visits with a purchase"
    assert set(found["fields"]) == set(MEANINGS)  # each column that can be named, and no user_id
    assert (found["expected_response"], found["response"], found["holdout_share"]) == (None, None, 0.2)
    largest = max(found["segments"], key=lambda s: s["n_users"])
    one = shop.get(f"/audiences/{quote(largest['name'])}", params={"sample": 3}).json()
    assert one["n_users"] + one["n_held_out"] == largest["n_users"]
    assert len(one["sample"]) == 3
    assert one["sample"][0]["response_rank"] >= one["sample"][1]["response_rank"]
    made = shop.post("/audiences", json={"expression": "orders >= 15", "campaign": "spring", "limit": 50}).json()
    assert made["n_users"] + made["n_held_out"] == 50
    assert 0 < made["n_held_out"] < 25
    like = [f"u{n:03d}" for n in range(0, 40, 2)]
    near = shop.post("/audiences", json={"like": [*like, "nobody"], "limit": 40, "sample": 30}).json()
    assert near["n_unknown"] == 1
    assert sum(int(member["user_id"][1:]) % 2 == 0 for member in near["sample"]) > 25


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"expression": "age > 3"}, "expression: character 1: no field 'age'"),
        ({"like": ["u001"]}, "1 of the given users"),
        ({"sample": 3}, "error"),
        ({"expression": "orders > 1", "sample": 1000}, "error"),
    ],
)
def test_what_gives_no_audience_is_refused(shop: TestClient, body: dict[str, object], message: str) -> None:
    reply = shop.post("/audiences", json=body)
    assert reply.status_code == 422
    assert message in reply.json()["detail"]


def test_an_unknown_segment_and_an_unpublished_application_are_not_found(
    shop: TestClient, watcher: ModelWatcher
) -> None:
    assert shop.get("/audiences/rich").status_code == 404
    (watcher.folder.parent / "applications/marketing/current.json").unlink()
    reply = shop.get("/audiences")
    assert (reply.status_code, "carousel marketing" in reply.json()["detail"]) == (404, True)


@pytest.mark.parametrize("path", ["/audiences", "/audiences/best"])
def test_without_a_token_they_answer_only_to_this_machine(path: str) -> None:
    ReadAccess(None, "127.0.0.1").check(path, {})
    for access, headers in ((ReadAccess(None, "0.0.0.0"), {}), (ReadAccess(None, "127.0.0.1"), {b"x-real-ip": b"1"})):
        with pytest.raises(ProblemError, match="/audiences are for the shop's staff"):
            access.check(path, headers)
