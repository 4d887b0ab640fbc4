"""Tags come from the live profile; the numbers of a request are its own."""

from components.applications.ads.campaigns import NO_END, NO_START, Ad
from components.serving.inference.ad_service import _draws, _of_purchases, _targeted
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


def test_only_purchases_are_pending() -> None:
    assert _of_purchases(make(), {"c1": 1.0, "c3": 2.0}) == {"c3": 2.0}
