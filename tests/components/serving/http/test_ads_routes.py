"""POST /ads and /ads/outcomes: choice, price, caps, budget, idempotence."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.applications.ads.campaigns import NO_END, NO_START, Ad
from components.applications.publish import publish
from components.applications.record import ApplicationRecord, write_application
from components.serving.inference import ad_service
from components.serving.models import published
from components.serving.models.watcher import ModelWatcher
from components.times import DAY_US, HOUR_US
from tests.components.applications.ads.test_published import make

NOON = 20_600 * DAY_US + 12 * HOUR_US
ADS = [
    Ad("a", "sku-1", "", "c1", 0.5, "click", 4.0, NO_START, NO_END, "", 3, 24.0),
    Ad("b", None, "Tea", "c2", 0.4, "click", 100.0, NO_START, NO_END, "segment:lapsed", 0, 24.0),
]


@pytest.fixture
def ads(client: TestClient, watcher: ModelWatcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Return a client of a service that has published ADS without exploration, at noon."""
    monkeypatch.setattr(published, "CHECK_S", 0.0)
    monkeypatch.setattr(ad_service, "now_micros", lambda: NOON)
    found = make(ADS)
    object.__setattr__(found, "rules", found.rules.model_copy(update={"exploration": 0.0, "reserve": 0.02}))
    found.save(tmp_path / "checkout/applications/ads")
    record = ApplicationRecord(
        application="ads", as_of="2026-03-01", simulated=True, ships="model", reasons=[], metrics={}
    )  # fmt: skip
    write_application(tmp_path / "checkout", record)
    publish(tmp_path / "checkout", "ads", watcher.folder.parent)
    return client


def test_before_anything_is_published_the_answer_says_so(client: TestClient) -> None:
    reply = client.post("/ads", json={"user_id": "u1"})
    assert reply.status_code == 404
    assert "carousel ads --run" in reply.json()["detail"]


def test_the_winner_pays_the_second_price(ads: TestClient) -> None:
    """Base rate .2: ad a is worth .10, ad b .08, where it is targeted."""
    (ad,) = ads.post("/ads", json={"user_id": "u1"}).json()["ads"]  # u1 is in the segment lapsed
    assert (ad["ad_id"], ad["item_id"], ad["slot"], ad["propensity"]) == ("a", "sku-1", 1, 1.0)
    assert ad["price"] == pytest.approx(0.4)
    (ad,) = ads.post("/ads", json={"user_id": "u2"}).json()["ads"]
    assert ad["price"] == pytest.approx(0.1)  # the reserve


def test_several_slots(ads: TestClient) -> None:
    found = ads.post("/ads", json={"user_id": "u1", "slot": 1, "k": 3}).json()["ads"]
    assert [(ad["ad_id"], ad["slot"]) for ad in found] == [("a", 1), ("b", 2)]
    assert len({ad["decision_id"] for ad in found}) == 2


def test_outcomes_are_charged_once_and_within_the_budget(ads: TestClient) -> None:
    """Half of the day's traffic is over, so the campaign is behind its plan until it has spent 2 of 4.

    The expected charges of the last seconds' impressions count as spent, too.
    """
    charged = []
    for user in range(30):
        found = ads.post("/ads", json={"user_id": f"v{user}"}).json()["ads"]
        if found:
            report = {"decision_id": found[0]["decision_id"], "event": "click"}
            first, again = (ads.post("/ads/outcomes", json=report).json() for _ in range(2))
            assert (first["new"], again["new"], again["charged"]) == (True, False, 0.0)
            charged.append(first["charged"])
    assert 1.5 < sum(charged) < 2.0
    assert len(charged) < 30


def test_the_cap_holds(ads: TestClient) -> None:
    shown = [ad["ad_id"] for _ in range(6) for ad in ads.post("/ads", json={"user_id": "w1"}).json()["ads"]]
    assert shown == ["a", "a", "a"]


def test_a_history_in_the_request_is_enough(ads: TestClient) -> None:
    body = {"history": [{"item_id": "sku-1"}], "slot": 2}
    (ad,) = ads.post("/ads", json=body).json()["ads"]
    assert (ad["ad_id"], ad["slot"], ad["probability"]) == ("a", 2, pytest.approx(0.1))


def test_an_unknown_decision_is_404_and_a_bad_body_422(ads: TestClient) -> None:
    reply = ads.post("/ads/outcomes", json={"decision_id": "none", "event": "click"})
    assert reply.status_code == 404
    assert ads.post("/ads/outcomes", json={"decision_id": "x", "event": "view"}).status_code == 422
    assert ads.post("/ads", json={"user_id": "u1", "slot": 0}).status_code == 422
