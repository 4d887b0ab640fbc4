"""Costs of a run: they grow with the counts, follow speed and load, and give way to what was measured."""

from pathlib import Path

import pytest

from components.applications.advice.costs import CostCounts, calibrate, estimate, read_timings, reference_seconds

SMALL = CostCounts(rows=1000, events=1000, products=100, texts=100, users=10, epochs=1, pretrain=True)


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ({"rows": 10**6}, {"ingest"}),
        ({"events": 10**5}, {"split", "profile", "fit", "finetune", "rank", "drift"}),
        ({"products": 10**4}, {"fit", "package"}),
        ({"texts": 10**4}, {"pretrain", "encode"}),
        ({"users": 10**3}, {"blend", "evaluate"}),
        ({"epochs": 9}, {"finetune"}),
    ],
)
def test_each_count_makes_its_stages_dearer(change: dict[str, int], stages: set[str]) -> None:
    before, after = reference_seconds(SMALL), reference_seconds(SMALL.model_copy(update=change))
    assert {name for name in before if after[name] > before[name]} == stages
    assert all(after[name] >= before[name] for name in before)


def test_without_texts_nothing_is_pretrained() -> None:
    none, some = (reference_seconds(SMALL.model_copy(update={"texts": n}))["pretrain"] for n in (0, 100))
    assert none < 0.2 * some


def test_minutes_follow_speed_and_load() -> None:
    busy, slow = estimate(SMALL, {}, (1.0, 2.0)), estimate(SMALL, {}, (0.5, 1.0))
    assert busy.minutes == pytest.approx(sum(reference_seconds(SMALL).values()) / 60)
    assert busy.minutes_now == pytest.approx(2 * busy.minutes) == pytest.approx(slow.minutes)


def test_a_measured_stage_counts_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "run/timings").mkdir(parents=True)
    (tmp_path / "run/timings/fit.json").write_text('{"work_s": 600.0}')
    (tmp_path / "run/timings/ads.json").write_text('{"work_s": 5.0}')
    found = estimate(SMALL, read_timings(tmp_path), (0.5, 3.0))
    assert (found.seconds["fit"], found.measured) == (600.0, ["fit"])  # a stage of an application is no part of it
    rest = sum(s for name, s in found.seconds.items() if name != "fit")
    assert found.minutes_now == pytest.approx((600 + 3 * rest) / 60)
    assert read_timings(tmp_path / "none") == {}


def test_the_calibration_gives_speed_and_load() -> None:
    speed, load = calibrate()
    assert speed > 0
    assert load >= 1
