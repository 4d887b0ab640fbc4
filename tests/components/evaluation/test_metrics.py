"""Every metric against hand-computed values, against ranx, and against published ranks."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts import IntArray, Users
from components.errors import ContractError
from components.evaluation.metrics import (
    METRICS,
    count_targets,
    coverage_at_k,
    hit_rate_at_k,
    mrr_at_k,
    ndcg_at_k,
    novelty_at_k,
    per_user,
    popularity_share,
    recall_at_k,
    relevance,
    user_means,
)
from components.ragged import Ragged


def rows(lists: list[list[int]]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in lists])]).astype(np.int64)
    items = np.array([i for r in lists for i in r], dtype=np.int32)
    n = len(items)
    return Ragged(offsets, items, np.zeros(n, np.int64), np.full(n, 2, np.int8), np.ones(n, np.float32))


def ranked(lists: list[list[int]]) -> IntArray:
    return np.array(lists, dtype=np.int32)


def test_relevance_counts_each_distinct_target_once() -> None:
    lists = ranked([[3, 3, 1, 0], [5, 6, 7, 8], [1, 2, 3, 4]])
    found = relevance(lists, rows([[3, 3, 9], [8, 5], []]))
    assert found.tolist() == [[True, False, False, False], [True, False, False, True], [False] * 4]
    assert count_targets(rows([[3, 3, 9], [8, 5], []])).tolist() == [2, 2, 0]


def test_padding_is_never_relevant() -> None:
    assert not relevance(ranked([[0, 0]]), rows([[0, 4]])).any()
    assert count_targets(rows([[0, 4]])).tolist() == [1]


def test_hand_computed_values() -> None:
    found = relevance(ranked([[9, 1, 8, 2]]), rows([[1, 2, 3]]))
    n = count_targets(rows([[1, 2, 3]]))
    gain, ideal = 1 / np.log2(3) + 1 / np.log2(5), 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert ndcg_at_k(found, n, 4) == pytest.approx([gain / ideal])
    assert ndcg_at_k(found, n, 2) == pytest.approx([(1 / np.log2(3)) / (1 + 1 / np.log2(3))])
    assert recall_at_k(found, n, 4) == pytest.approx([2 / 3])
    assert mrr_at_k(found, n, 4).tolist() == [0.5]
    assert mrr_at_k(found, n, 1).tolist() == [0.0]
    assert hit_rate_at_k(found, n, 1).tolist() == [0.0]
    assert hit_rate_at_k(found, n, 2).tolist() == [1.0]


def test_perfect_list_scores_one_and_a_user_without_targets_nan() -> None:
    values = per_user(ranked([[1, 2, 3], [1, 2, 3]]), rows([[2, 1], []]), [2, 3])
    assert set(values) == {f"{m}_at_{k}" for m in METRICS for k in (2, 3)}
    for name, value in values.items():
        assert value.dtype == np.float32
        assert value[0] == 1, name
        assert np.isnan(value[1]), name


def test_k_beyond_the_list_is_an_error() -> None:
    found, n = relevance(ranked([[1, 2]]), rows([[1]])), count_targets(rows([[1]]))
    for metric in METRICS.values():
        with pytest.raises(ContractError, match="k is 3"):
            metric(found, n, 3)
    with pytest.raises(ContractError, match="k is 0"):
        coverage_at_k(ranked([[1, 2]]), 5, 0)
    with pytest.raises(ContractError, match="3 users"):
        relevance(ranked([[1, 2]]), rows([[1], [2], [3]]))


def test_one_list_for_all_users_covers_only_its_items() -> None:
    same = np.tile(np.arange(1, 6, dtype=np.int32), (100, 1))
    assert coverage_at_k(same, 50, 5) == 5 / 50
    assert coverage_at_k(ranked([[1, 2], [2, 3], [0, 0]]), 4, 1) == 2 / 4
    assert coverage_at_k(ranked([[1, 2], [2, 3], [0, 0]]), 4, 2) == 3 / 4


def test_novelty_is_self_information_in_bits() -> None:
    popularity = np.array([0, 0.5, 0.25, 0.25], np.float32)
    assert novelty_at_k(ranked([[1, 2], [2, 3], [1, 0]]), popularity, 2).tolist() == [1.5, 2.0, 1.0]
    assert np.isnan(novelty_at_k(ranked([[0, 0]]), popularity, 2)).all()
    with pytest.raises(ContractError, match="zeros"):
        novelty_at_k(ranked([[1, 2]]), np.array([0, 1, 0], np.float32), 1)


def test_popularity_share_is_smoothed_and_sums_to_one() -> None:
    share = popularity_share(np.array([1, 1, 2], np.int32), 3)
    assert share == pytest.approx([0, 3 / 6, 2 / 6, 1 / 6])


def test_better_positions_never_score_lower() -> None:
    target = rows([[7]])
    for name, metric in METRICS.items():
        values = []
        for place in range(5):
            row = [1, 2, 3, 4, 5]
            row[place] = 7
            values.append(metric(relevance(ranked([row]), target), count_targets(target), 5)[0])
        assert values == sorted(values, reverse=True), name


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]], int]:
    n_items, k = draw(st.integers(1, 15)), draw(st.integers(1, 12))
    items = list(range(1, n_items + 1))
    lists, targets = [], []
    for _ in range(draw(st.integers(1, 6))):
        row = draw(st.permutations(items))[: draw(st.integers(0, k))]
        lists.append(row + [0] * (k - len(row)))
        targets.append(draw(st.lists(st.sampled_from(items), max_size=10)))
    return lists, targets, k


@pytest.fixture(scope="module")
def ranx() -> Iterator[ModuleType]:
    """Return ranx in plain Python: to compile it takes two minutes."""
    import numba

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "DISABLE_JIT", True)
        yield import_module("ranx")


@pytest.mark.slow  # ranx takes seconds to import
@settings(max_examples=150, deadline=None)
@given(cases())
def test_agrees_with_ranx(ranx: ModuleType, case: tuple[list[list[int]], list[list[int]], int]) -> None:
    lists, targets, k = case
    ks = sorted({1, (k + 1) // 2, k})
    ours = per_user(ranked(lists), rows(targets), ks)
    with_targets = [i for i, row in enumerate(targets) if row]
    assert all(np.isnan(v[i]) for v in ours.values() for i in range(len(targets)) if i not in with_targets)
    if not with_targets:
        return
    theirs = ranx_scores(ranx, [lists[i] for i in with_targets], [targets[i] for i in with_targets], ks)
    for name, value in ours.items():
        assert value[with_targets] == pytest.approx(theirs[name], abs=1e-6), name


def ranx_scores(
    ranx: ModuleType, lists: list[list[int]], targets: list[list[int]], ks: list[int]
) -> dict[str, np.ndarray]:
    qrels = {f"{i:03}": {str(t): 1 for t in row} for i, row in enumerate(targets)}
    run = {
        f"{i:03}": {str(t): 1 / (r + 1) for r, t in enumerate(row) if t} or {"none": 1.0} for i, row in enumerate(lists)
    }
    names = [f"{m}@{k}" for m in METRICS for k in ks]
    scores = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), names, return_mean=False)
    scores = {names[0]: scores} if len(names) == 1 else scores
    return {name.replace("@", "_at_"): np.asarray(value) for name, value in scores.items()}


@settings(max_examples=100, deadline=None)
@given(cases())
def test_coverage_and_novelty_agree_with_plain_loops(case: tuple[list[list[int]], list[list[int]], int]) -> None:
    lists, targets, k = case
    events = np.array([t for row in targets for t in row], dtype=np.int32)
    popularity = popularity_share(events, 15)
    shown = {i for row in lists for i in row[:k] if i}
    assert coverage_at_k(ranked(lists), 15, k) == pytest.approx(len(shown) / 15)
    for row, value in zip(lists, novelty_at_k(ranked(lists), popularity, k), strict=True):
        bits = [-np.log2((np.sum(events == i) + 1) / (len(events) + 15)) for i in row if i]
        assert np.isnan(value) if not bits else value == pytest.approx(np.mean(bits), rel=1e-5)


@pytest.mark.real_data
def test_published_iclrec_figures(real_data: Path) -> None:
    """The ranks of the published ICLRec weights give the published table."""
    ranks = np.load(real_data / "amazon_beauty_2014" / "iclrec_test_ranks.npy")
    assert len(ranks) == 22_363
    lists = np.full((len(ranks), 20), 2, np.int32)
    inside = ranks < 20
    lists[np.flatnonzero(inside), ranks[inside]] = 1
    values = per_user(lists, rows([[1]] * len(ranks)), [5, 10, 20])
    published = {
        "hit_rate_at_5": 0.0500, "ndcg_at_5": 0.0326, "hit_rate_at_10": 0.0744,
        "ndcg_at_10": 0.0403, "hit_rate_at_20": 0.1058, "ndcg_at_20": 0.0483,
    }  # fmt: skip
    assert {name: round(float(values[name].mean()), 4) for name in published} == published


def test_the_mean_of_a_users_rows_is_one_value() -> None:
    """By hand: user 1 has hits in one of two lists, user 4 in its only one; with one row each, nothing changes."""
    lists, targets = np.array([[1, 2], [3, 4], [5, 6]], np.int32), rows([[1], [9], [6]])
    history = rows([[], [], []])
    two = user_means(lists, Users(np.array([1, 1, 4], np.int32), history, 10**12, targets), [2])
    assert two["recall_at_2"].tolist() == [0.5, 1]
    assert two["mrr_at_2"].tolist() == [0.5, 0.5]
    one = user_means(lists, Users(np.array([1, 2, 4], np.int32), history, 10**12, targets), [1, 2])
    plain = per_user(lists, targets, [1, 2])
    assert list(one) == list(plain)
    assert all(one[name].dtype == np.float32 and one[name].tolist() == plain[name].tolist() for name in plain)
