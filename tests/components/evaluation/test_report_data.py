"""Labels and numbers of the page, from evaluations with known results."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts import ChampionRef, Evaluation, FloatArray, Interval
from components.evaluation import report_data as views
from components.evaluation.report_data import Bootstrap, Difference
from components.evaluation.results import slice_row, user_rows, user_schema
from tests.support import ragged

BOOTSTRAP = Bootstrap(confidence=0.95, resamples=300, seed=1)
REF = ChampionRef(version=7, digest="d" * 64, model="als")


def evaluation(ref: ChampionRef | None = None, **test: float) -> Evaluation:
    metrics = {name: {"ndcg_at_5": value} for name, value in test.items()}
    return Evaluation(
        as_of="2026-03-01T00:00:00+00:00", protocol="global_time", window=("a", "b"), simulated=False, n_users=200,
        n_items=9, primary="ndcg_at_5", challenger="ease", baselines=["popularity", "neighbours"], champion=ref,
        champion_saw_test=False, validation={"ease": {"ndcg_at_5": 0.5}}, test=metrics, slices=[], overfit_gap={},
    )  # fmt: skip


def values(rng: np.random.Generator, mean: float) -> FloatArray:
    return (rng.random(200) < mean).astype(np.float32)


def test_reference_is_the_champion_or_the_best_baseline() -> None:
    assert views.reference(evaluation(ease=0.3, popularity=0.1, neighbours=0.2)) == "neighbours"
    assert views.reference(evaluation(REF, ease=0.3, popularity=0.1, neighbours=0.2, champion=0.05)) == "champion"


def test_roles_and_names() -> None:
    e = evaluation(REF, ease=0.3, als=0.2, popularity=0.1, neighbours=0.2, champion=0.25)
    assert [views.role(e, m) for m in ("ease", "als", "popularity", "champion")] == [
        "challenger", "candidate", "baseline", "champion",
    ]  # fmt: skip
    assert views.long_label(e, "champion") == "champion (als, version 7)"
    assert views.ranked_models(e) == ["ease", "champion", "als", "neighbours", "popularity"]


def test_differences_put_the_reference_first_and_read_intervals() -> None:
    rng = np.random.default_rng(0)
    per_user = {"ease": values(rng, 0.5), "popularity": values(rng, 0.05), "neighbours": values(rng, 0.5)}
    e = evaluation(**{m: float(v.mean()) for m, v in per_user.items()})
    first, second = views.differences(e, per_user, BOOTSTRAP, 0.0)
    assert (first.other, second.other) == ("neighbours", "popularity")
    assert second.reading == "ahead"
    assert second.further is not None
    assert second.further.estimate == 0
    assert first.reading == "level"
    assert first.further is not None
    assert first.further.estimate > 0
    assert first.further.high is None
    assert views.further_bounds(first.further) == f"at least {first.further.low:,}"
    assert second.relative == pytest.approx(second.interval.gain / second.base)


@pytest.mark.parametrize(
    ("low", "high", "reading"), [(0.1, 0.2, "ahead"), (-0.2, -0.1, "behind"), (-0.1, 0.1, "level"), (0.0, 0.0, "level")]
)
def test_reading(low: float, high: float, reading: str) -> None:
    row = Difference("als", "candidate", Interval(gain=0, low=low, high=high, n_users=9), 0.1, 0.0, None)
    assert row.reading == reading
    assert row.relative is None  # a share of zero is undefined


def test_win_loss_counts_add_up() -> None:
    counts = views.win_loss(np.array([1, 0, 0.5, 0], np.float32), np.array([0, 0, 1, 0], np.float32))
    assert (counts.better, counts.same, counts.worse) == (1, 2, 1)


def test_slices_of_one_user_have_no_interval_and_small_ones_are_not_judged(tmp_path: Path) -> None:
    targets = ragged([[1], [2], [3]])
    masks = {"user:cold": np.array([True, False, False]), "user:warm": np.array([False, True, True])}
    rows: list[pa.Table] = []
    with pq.ParquetWriter(tmp_path / "u.parquet", user_schema([5])) as writer:
        for model, lists in (("ease", [[1] * 5, [2] * 5, [9] * 5]), ("popularity", [[9] * 5] * 3)):
            for table in user_rows(model, np.array(lists, np.int32), targets, masks, [5]):
                writer.write_table(table)
                rows.append(table)
    e = evaluation(ease=0.3, popularity=0.1, neighbours=0.05).model_copy(
        update={"slices": [slice_row(t) for t in rows]}
    )
    cold, warm = views.slice_views(e, tmp_path / "u.parquet", BOOTSTRAP, min_slice_users=2)
    assert (cold.label, cold.n_users, cold.interval, cold.judged) == ("Cold users", 1, None, False)
    assert (warm.n_users, warm.judged) == (2, True)
    assert warm.challenger == pytest.approx(0.5)
    assert warm.interval is not None
    assert [line.label for line in views.slice_lines([cold, warm])] == ["Warm users"]


@pytest.mark.parametrize(
    ("n", "text"),
    [(7, "about 7"), (1643, "about 1,600"), (190_723, "about 190,000"), (10**15, "more than 10 million")],
)
def test_approximate_counts_have_two_digits(n: int, text: str) -> None:
    assert views.approximate_count(n) == text


def test_labels() -> None:
    assert views.metric_label("ndcg_at_10") == "NDCG@10"
    assert views.metric_label("hit_rate_at_5") == "Hit rate@5"
    assert views.day("2026-03-01T00:00:00+00:00") == "1 March 2026"
    assert views.day("2026-03-01T02:30:00+00:00") == "1 March 2026, 02:30 UTC"
    assert views.slice_label("language:zh") == "Language zh"
    assert views.span(Interval(gain=0.005, low=-0.001, high=0.01, n_users=3)) == "+0.0050 (−0.0010 to +0.0100)"


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("a\x00b\r\n\tc", "a b c"),
        ("\u202egnp.exe", "gnp.exe"),
        ("x" * 2_000_000, "x" * 89 + "…"),
        ("红色 连衣裙 👗", "红色 连衣裙 👗"),
        ("\ud800", ""),
    ],
    ids=["control", "right to left", "long", "Chinese and emoji", "lone surrogate"],
)
def test_titles_are_cleaned_for_display(title: str, shown: str) -> None:
    assert views.clean_title(title) == shown
