"""Lists for whoever waits: scored together, remembered, bounded, and never a wait without end."""

import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from components.release.bundle import Bundle, open_bundle
from components.serving.inference import scorer as scoring
from components.serving.inference.recommendations import Row, user_of
from components.serving.inference.scorer import FAILED, OverloadError, ScoredList, Scorer, best_of


@pytest.fixture
def opened(bundle: Path) -> Bundle:
    return open_bundle(bundle)


def rows(*items: int) -> list[Row]:
    return [Row(f"sku-{i}", "view", None) for i in items]


def now(best: ScoredList | Future[ScoredList]) -> ScoredList:
    return best.result(10) if isinstance(best, Future) else best


def test_a_history_is_scored_once(opened: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = scoring.best_of

    def count(bundle: Bundle, users: list, k: int) -> list[ScoredList]:
        asked.append(len(users))
        time.sleep(0.05)
        return real(bundle, users, k)

    monkeypatch.setattr(scoring, "best_of", count)
    scorer = Scorer(5, 8, 100, 2)
    scorer.start()
    coming = [scorer.best(opened, user_of(opened, rows(i))) for i in (1, 2, 1, 3, 3, 3)]
    lists = [now(best) for best in coming]
    assert sum(asked) == 3
    assert len(asked) <= 2  # those who waited went together
    assert lists[0].items.tolist() == lists[2].items.tolist()
    assert isinstance(scorer.best(opened, user_of(opened, rows(3))), ScoredList)
    assert isinstance(scorer.best(opened, user_of(opened, rows(1))), Future)  # two are remembered
    scorer.stop()


def test_too_many_who_wait_are_sent_away(opened: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    real = scoring.best_of
    monkeypatch.setattr(scoring, "best_of", lambda *args: go.wait(10) and real(*args))
    scorer = Scorer(5, 1, 2, 10)
    scorer.start()
    coming = [scorer.best(opened, user_of(opened, rows(i))) for i in (1, 2)]
    with pytest.raises(OverloadError):
        scorer.best(opened, user_of(opened, rows(3)))
    go.set()
    assert [now(best).model for best in coming] == ["ease", "ease"]
    assert now(scorer.best(opened, user_of(opened, rows(3)))).model == "ease"
    scorer.stop()


def test_a_user_on_whom_the_model_fails_takes_nobody_along(opened: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    real = opened.model.recommend

    def fail(users: object, *args: object) -> object:
        if 7 in users.history.item_idx:  # type: ignore[attr-defined]
            raise ZeroDivisionError
        return real(users, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(opened.model, "recommend", fail)
    found = best_of(opened, [user_of(opened, rows(i)) for i in (1, 7, 3)], 5)
    assert [(best.model, best.reason) for best in found] == [("ease", None), ("popularity", FAILED), ("ease", None)]
    scorer = Scorer(5, 8, 10, 10)
    scorer.start()
    for _ in range(2):  # a failure is not remembered
        best = scorer.best(opened, user_of(opened, rows(7)))
        assert isinstance(best, Future)
        assert best.result(10).reason == FAILED
    scorer.stop()


def test_when_all_fails_who_waits_is_told(opened: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(scoring, "best_of", fail)
    scorer = Scorer(5, 8, 10, 10)
    scorer.start()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            now(scorer.best(opened, user_of(opened, rows(1))))
    scorer.stop()
