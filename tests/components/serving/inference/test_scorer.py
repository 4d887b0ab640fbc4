"""Batches, the cache, the bounded queue, and failures: every waiting request gets a list or an error."""

import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from components.release.bundle import Bundle, open_bundle
from components.serving.inference import scorer as scoring
from components.serving.inference.histories import HistoryRow, build_user
from components.serving.inference.scorer import FAILED, OverloadError, ScoredList, Scorer, score_users


@pytest.fixture
def opened(bundle: Path) -> Bundle:
    return open_bundle(bundle)


def rows(*items: int) -> list[HistoryRow]:
    return [HistoryRow(f"sku-{i}", "view", None) for i in items]


def wait_for(scored: ScoredList | Future[ScoredList]) -> ScoredList:
    return scored.result(60) if isinstance(scored, Future) else scored


def test_a_history_is_scored_once(opened: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_sizes: list[int] = []
    may_score = threading.Event()
    real = scoring.score_users

    def count(bundle: Bundle, users: list, k: int) -> list[ScoredList]:
        assert may_score.wait(60)
        batch_sizes.append(len(users))
        return real(bundle, users, k)

    monkeypatch.setattr(scoring, "score_users", count)
    scorer = Scorer(5, 8, 100, 2)
    scorer.start()
    pending = [scorer.submit(opened, build_user(opened, rows(i))) for i in (1, 2, 1, 3, 3, 3)]
    may_score.set()
    lists = [wait_for(scored) for scored in pending]
    assert sum(batch_sizes) == 3
    assert len(batch_sizes) <= 2  # waiting requests form one batch
    assert lists[0].items.tolist() == lists[2].items.tolist()
    assert isinstance(scorer.submit(opened, build_user(opened, rows(3))), ScoredList)
    assert isinstance(scorer.submit(opened, build_user(opened, rows(1))), Future)  # the cache holds two lists
    scorer.stop()


def test_a_full_queue_raises_overload(opened: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    may_score = threading.Event()
    real = scoring.score_users
    monkeypatch.setattr(scoring, "score_users", lambda *args: may_score.wait(60) and real(*args))
    scorer = Scorer(5, 1, 2, 10)
    scorer.start()
    pending = [scorer.submit(opened, build_user(opened, rows(i))) for i in (1, 2)]
    with pytest.raises(OverloadError):
        scorer.submit(opened, build_user(opened, rows(3)))
    may_score.set()
    assert [wait_for(scored).model for scored in pending] == ["ease", "ease"]
    assert wait_for(scorer.submit(opened, build_user(opened, rows(3)))).model == "ease"
    scorer.stop()


def test_a_user_on_whom_the_model_fails_does_not_affect_the_batch(
    opened: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = opened.model.recommend

    def fail(users: object, *args: object) -> object:
        if 7 in users.history.item_idx:  # type: ignore[attr-defined]
            raise ZeroDivisionError
        return real(users, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(opened.model, "recommend", fail)
    lists = score_users(opened, [build_user(opened, rows(i)) for i in (1, 7, 3)], 5)
    assert [(scored.model, scored.reason) for scored in lists] == [
        ("ease", None),
        ("popularity", FAILED),
        ("ease", None),
    ]
    scorer = Scorer(5, 8, 10, 10)
    scorer.start()
    for _ in range(2):  # a failure is not cached
        scored = scorer.submit(opened, build_user(opened, rows(7)))
        assert isinstance(scored, Future)
        assert scored.result(60).reason == FAILED
    scorer.stop()


def test_an_error_of_the_fallback_reaches_the_caller(opened: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(scoring, "score_users", fail)
    scorer = Scorer(5, 8, 10, 10)
    scorer.start()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            wait_for(scorer.submit(opened, build_user(opened, rows(1))))
    scorer.stop()
