"""What `carousel init` does not decide by itself: questions with their candidates, and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from components.errors import ParamsError


@dataclass(frozen=True)
class Question:
    """A choice that changes what the data mean."""

    key: str  # of `--answer KEY=VALUE`, such as "orders.csv.user"
    text: str
    candidates: tuple[tuple[str, str], ...]  # value -> what speaks for it


class OpenQuestionsError(ParamsError):
    """Questions that nobody has answered."""


@dataclass
class Answers:
    """Answers given on the command line, and a way to ask for others.

    ask: returns the chosen value; None: nobody can be asked, and the questions are collected for one error.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    ask: Callable[[Question], str] | None = None
    open: list[Question] = field(default_factory=list)
    used: dict[str, str] = field(default_factory=dict)

    def choose(self, question: Question) -> str:
        """Return the answer, or for now the first candidate where nobody can be asked; `check` raises later."""
        known = [value for value, _ in question.candidates]
        value = self.used.get(question.key) or self.given.get(question.key)
        if value is None and self.ask is not None:
            value = self.ask(question)
        if value is None:
            if question.key not in {q.key for q in self.open}:
                self.open.append(question)
            return known[0]
        if value not in known:
            raise ParamsError(f"--answer {question.key}={value}: expected one of {', '.join(known)}")
        self.used[question.key] = value
        return value

    def check(self) -> None:
        """Raise OpenQuestionsError naming each question with its candidates, and ParamsError for unknown answers."""
        if self.open:
            raise OpenQuestionsError(
                "\n".join(["some columns cannot be told apart by name and values:", *map(_say, self.open)])
            )
        unknown = sorted(set(self.given) - set(self.used))
        if unknown:
            raise ParamsError(f"--answer {', '.join(unknown)}: nothing of this name is asked; leave it out")


def parse_answers(texts: Sequence[str]) -> dict[str, str]:
    """Return KEY=VALUE texts as a dictionary; raises ParamsError for one without `=`."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ParamsError(f"--answer {text}: expected KEY=VALUE, as in --answer orders.csv.user=customer_id")
        found[key.strip()] = value.strip()
    return found


def _say(question: Question) -> str:
    listed = "\n".join(f'    --answer "{question.key}={value}"  {why}' for value, why in question.candidates)
    return f"{question.text}\n{listed}"
