"""Rows of several requests are committed together; an error reaches all of them, and the next commit works."""

from threading import Event

import pytest

from components.serving.storage.commit_queue import MAX_COMMIT_ROWS, Batch, CommitQueue, Row


def rows(n: int) -> Batch:
    return Batch([(k,) for k in range(n)])


def test_rows_that_arrive_during_a_commit_share_the_next_one() -> None:
    sizes, begun, go_on = list[list[int]](), Event(), Event()

    def commit(batches: list[Batch]) -> list[int]:
        sizes.append([len(batch.rows) for batch in batches])
        begun.set()
        assert go_on.wait(60)
        return [len(batch.rows) for batch in batches]

    queue = CommitQueue(commit)
    first = queue.put(rows(1))
    assert begun.wait(60)
    waiting = [queue.put(rows(n)) for n in (2, 3, MAX_COMMIT_ROWS, 4)]
    go_on.set()
    assert [done.result(60) for done in (first, *waiting)] == [1, 2, 3, MAX_COMMIT_ROWS, 4]
    queue.close(60)
    assert sizes == [[1], [2, 3, MAX_COMMIT_ROWS], [4]]


def test_an_error_reaches_every_request_of_the_commit_and_the_thread_continues() -> None:
    errors: list[Exception] = [OSError("disk full"), ValueError("an id that no store takes")]

    def commit(batches: list[Batch]) -> list[int]:
        if errors:
            raise errors.pop(0)
        return [len(batch.rows) for batch in batches]

    queue = CommitQueue(commit)
    with pytest.raises(OSError, match="disk full"):
        queue.put(rows(1)).result(60)
    with pytest.raises(ValueError, match="no store takes"):
        queue.put(rows(1)).result(60)
    assert queue.put(rows(2)).result(60) == 2
    queue.close(60)


def test_a_refused_batch_does_not_affect_the_others_of_its_commit() -> None:
    begun, go_on = Event(), Event()

    def commit(batches: list[Batch]) -> list[int | Exception]:
        begun.set()
        assert go_on.wait(60)
        return [ValueError("refused") if len(batch.rows) == 2 else len(batch.rows) for batch in batches]

    queue = CommitQueue(commit)
    queue.put(rows(1))
    assert begun.wait(60)
    before, refused, after = (queue.put(rows(n)) for n in (1, 2, 3))
    go_on.set()
    with pytest.raises(ValueError, match="refused"):
        refused.result(60)
    assert (before.result(60), after.result(60)) == (1, 3)
    queue.close(60)


def test_close_commits_the_waiting_rows() -> None:
    committed = list[Row]()

    def commit(batches: list[Batch]) -> list[int]:
        committed.extend(row for batch in batches for row in batch.rows)
        return [len(batch.rows) for batch in batches]

    queue = CommitQueue(commit)
    waiting = [queue.put(rows(3)) for _ in range(10)]
    queue.close(60)
    assert all(done.done() for done in waiting)
    assert len(committed) == 30
