"""Questions: answered on the command line, by a person, or collected for one error."""

import pytest

from components.applications.advice.questions import Answers, OpenQuestionsError, Question, parse_answers
from components.errors import ParamsError

COLUMN = Question("a.csv.user", "a.csv: which column is the user?", (("x", "5 values"), ("y", "7 values")))


def test_a_given_answer_is_taken_and_must_be_a_candidate() -> None:
    answers = Answers({"a.csv.user": "y"})
    assert answers.choose(COLUMN) == "y"
    answers.check()
    with pytest.raises(ParamsError, match=r"a\.csv\.user=z: expected one of x, y"):
        Answers({"a.csv.user": "z"}).choose(COLUMN)


def test_a_person_is_asked_once() -> None:
    asked: list[str] = []

    def ask(question: Question) -> str:
        asked.append(question.key)
        return "x"

    answers = Answers(ask=ask)
    assert [answers.choose(COLUMN) for _ in range(3)] == ["x"] * 3
    assert asked == ["a.csv.user"]


def test_open_questions_are_collected_with_their_candidates() -> None:
    answers = Answers()
    assert [answers.choose(COLUMN), answers.choose(COLUMN)] == ["x", "x"]  # for now
    with pytest.raises(OpenQuestionsError) as caught:
        answers.check()
    assert str(caught.value).count("which column is the user?") == 1
    assert '--answer "a.csv.user=y"  7 values' in str(caught.value)


def test_an_answer_to_nothing_is_an_error() -> None:
    with pytest.raises(ParamsError, match="--answer a, b: nothing of this name is asked"):
        Answers({"b": "1", "a": "2"}).check()


def test_texts_of_answers() -> None:
    assert parse_answers(["a.csv.user = x", "k=v=w"]) == {"a.csv.user": "x", "k": "v=w"}
    with pytest.raises(ParamsError, match="expected KEY=VALUE"):
        parse_answers(["nonsense"])
