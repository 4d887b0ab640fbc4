"""The mark of an unfinished training: written, read, and one sentence for people."""

from pathlib import Path

from components.unfinished import Unfinished, mark_unfinished, read_unfinished

MARK = Unfinished(model="the sequence model", limit="trainer.max_minutes", minutes=90, step=8, steps=20)


def test_marks_are_read_from_the_folders_that_have_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    mark_unfinished(tmp_path / "a", MARK)
    mark_unfinished(tmp_path / "b", None)
    (tmp_path / "file").write_text("no folder")
    assert read_unfinished(tmp_path / name for name in ("a", "b", "missing", "file")) == [MARK]


def test_the_sentence_says_what_stopped_and_how_to_go_on() -> None:
    assert str(MARK) == (
        "trainer.max_minutes 90 stopped the sequence model after step 8 of at most 20; run `carousel retrain` again to "
        "go on from there, or raise trainer.max_minutes"
    )
