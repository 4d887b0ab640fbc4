"""All sections: what tune.space may name, and in which bounds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from components import params
from components.errors import ParamsError

SPACE = (
    "tune.space={{models.als.alpha: {{low: 1, high: 2}}, models.sequence.dropout: {{low: 0, high: 0.5}}, "
    "models.ease.recency: {{low: 0.1, high: 0.9}}, {0}}}"
)


@pytest.mark.parametrize(
    ("ranges", "named"),
    [
        ("models.ease.l2: {low: 0, high: 9, log: true}", "above 0 with log"),
        ("models.ease.l2: {low: 9, high: 9}", "must be below high"),
        ("models.ease.l2: {low: 0, high: 9}", "models.ease.l2 cannot be 0"),
        ("models.interests.recency: {low: 0.5, high: 1.5}", "models.interests.recency cannot be 1.5"),
        (
            "models.ease.max_weights_per_item: {low: 10, high: 99.5}",
            "models.ease.max_weights_per_item cannot be 99.5",
        ),
        ("models.ease.lambda: {low: 1, high: 2}", "models.ease.lambda is no parameter"),
        ("gate.min_gain: {low: 0, high: 1}", "gate.min_gain is no parameter"),
        ("models.hybrid.min_gain: {low: 0, high: 1}", "models.hybrid.min_gain is no parameter"),
        ("models.ease.l2: [1, 2]", "tune.space.models.ease.l2"),
        ("models.ease.keep: {low: 10, high: 99}", "models.ease.keep is now called models.ease.max_weights_per_item"),
    ],
)
def test_a_wrong_range_is_refused_by_name(refusal: Callable[[str], str], ranges: str, named: str) -> None:
    assert named in refusal(SPACE.format(ranges))


def test_the_section_of_a_name(file: Path) -> None:
    loaded = params.load(file)
    assert params.section_of(loaded, "models.ease.l2") == (loaded.models.ease, "l2")
    assert params.section_of(loaded, "models.nobody.l2") == (loaded, "models.nobody.l2")


def test_lists_before_each_event_need_histories_that_grow(file: Path, refusal: Callable[[str], str]) -> None:
    assert params.load(file).gate.primary == "global_time"
    wanted = "gate.primary=next_event"
    assert params.load(file, overrides=[wanted]).gate.primary == "next_event"
    with pytest.raises(ParamsError, match=r"needs split.protocol global_time: with leave_one_out"):
        params.load(file, overrides=[wanted, "split.protocol=leave_one_out"])
    with pytest.raises(ParamsError, match=r"needs evaluation.next_events of 1 or more; it is 0"):
        params.load(file, overrides=[wanted, "evaluation.next_events=0"])
    assert "gate.primary" in refusal("gate.primary=last_event")
