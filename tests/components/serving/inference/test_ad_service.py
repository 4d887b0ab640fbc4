"""Tags come from the live profile; the numbers of a request are its own."""

from components.applications.ads.campaigns import NO_END, NO_START, Ad
from components.serving.inference.ad_service import _draws, _open_charges, _targeted
from components.serving.storage.ad_ledger import LedgerState
from tests.components.applications.ads.test_published import make


def test_targeting_uses_tags_and_segments() -> None:
    ads = [
        Ad(name, None, "x", "c", 0.5, "click", 9.0, NO_START, NO_END, targeting, 0, 24.0)
        for name, targeting in (("a", "tag:tea"), ("b", "segment:vip"), ("c", ""))
    ]
    found = make(ads)
    profile = {"categories": [{"name": "Tea > Green", "share": 1.0}]}
    assert _targeted(found, "u1", profile) == [0, 1, 2]
    assert _targeted(found, "u2", None) == [2]
    assert _targeted(found, None, profile) == [0, 2]


def test_the_numbers_of_a_request_are_repeatable() -> None:
    one, same, other = _draws("r1"), _draws("r1"), _draws("r2")
    first = [one() for _ in range(3)]
    assert first == [same() for _ in range(3)] != [other() for _ in range(3)]


def test_open_charges_are_those_of_purchases_and_of_the_newest_clicks() -> None:
    state = LedgerState(spent={}, pending={"c1": 1.0, "c3": 2.0}, open_clicks={"c1": 0.25, "c3": 0.5}, shown_at={})
    assert _open_charges(make(), state) == {"c1": 0.25, "c3": 2.5}  # c1 pays per click
