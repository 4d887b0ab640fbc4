"""What the service reads: the same after a save, probabilities by event and slot."""

from pathlib import Path

import numpy as np
import pytest

from components.applications.ads.calibration import BaseRate, PlattScaling, SlotCalibration
from components.applications.ads.campaigns import NO_END, NO_START, Ad
from components.applications.ads.published import AdRules, PublishedAds
from components.errors import ContractError


def make(ads: list[Ad] | None = None) -> PublishedAds:
    """Return three ads: two that pay per click, one that pays per purchase and is a text."""
    ads = ads or [
        Ad("a", "sku-1", "", "c1", 0.5, "click", 100.0, NO_START, NO_END, "", 2, 24.0),
        Ad("b", "sku-2", "", "c2", 0.4, "click", 100.0, NO_START, NO_END, "segment:lapsed", 0, 24.0),
        Ad("c", None, "Tea", "c3", 5.0, "purchase", 100.0, NO_START, NO_END, "", 0, 24.0),
    ]
    base = SlotCalibration(slots={1: BaseRate(rate=0.2), 2: BaseRate(rate=0.1)}, rest=BaseRate(rate=0.05))
    ours = SlotCalibration(slots={1: PlattScaling(slope=1, shift=0)}, rest=PlattScaling(slope=1, shift=-1))
    rules = AdRules(
        reserve=0.0, exploration=0.1, horizon_s=60, min_tag_share=0.1, outcome_hours=24, traffic=[1 / 24] * 24,
        probabilities={"click": ours, "purchase": ours}, base_rates={"click": base, "purchase": base},
    )  # fmt: skip
    return PublishedAds(ads, rules, {"u1": ("lapsed", "vip")})


def test_it_is_the_same_after_a_save(tmp_path: Path) -> None:
    make().save(tmp_path)
    assert PublishedAds.load(tmp_path) == make()
    assert make().market.epsilon == 0.1


def test_probabilities_by_slot() -> None:
    published = make()
    ranked = {"click": np.array([0.3, np.nan, 0.9]), "purchase": np.array([0.1, 0.1, 0.5])}
    found = published.probabilities(published.ads, ranked, [1, 2])  # type: ignore[arg-type]
    assert found[0] == [pytest.approx(0.3), pytest.approx(1 / (1 + np.exp(-(np.log(0.3 / 0.7) - 1))))]
    assert found[1] == [pytest.approx(0.2), pytest.approx(0.1)]  # the ranker does not know the product
    assert found[2][0] == pytest.approx(0.5)


def test_without_ranker_base_rates_answer() -> None:
    published = make()
    assert published.probabilities(published.ads, None, [3]) == [[pytest.approx(0.05)]] * 3


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    make().save(tmp_path)
    (tmp_path / "ads.parquet").write_bytes(b"x")
    with pytest.raises(ContractError, match="run the application `ads` again"):
        PublishedAds.load(tmp_path)
