"""Whose lists are exported: all users with stored events, or those that a file names. Ids are read a page at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol, TextIO

from components import ids
from components.errors import ContractError
from components.io import sha256_file
from components.serving.storage.event_store import EventStore

HEADER = "user_id"  # may be the first line of a file


class UserSource(Protocol):
    """The users of an export, in an order that does not change."""

    name: str  # "all", or the digest of the file

    def count(self) -> int:
        """Return the number of users."""
        ...

    def pages(self, size: int, n_done: int, last: str) -> Iterator[list[str]]:
        """Yield pages of `size` ids, the last one shorter, after the first n_done users, of whom `last` is the last."""
        ...


class AllUsers:
    """All users with stored events, by the UTF-8 bytes of their ids."""

    name = "all"

    def __init__(self, store: EventStore) -> None:
        self.store = store

    def count(self) -> int:
        """See UserSource. Raises StoreError."""
        return self.store.count_users()

    def pages(self, size: int, n_done: int, last: str) -> Iterator[list[str]]:
        """See UserSource. Raises StoreError."""
        while page := self.store.list_users(last, size):
            yield page
            last = page[-1]


class UserFile:
    """The users of a text file, one id a line, in its order; one that is named twice is listed twice."""

    def __init__(self, path: Path, null_ids: Collection[str]) -> None:
        """null_ids: data.null_ids, which are no ids. Raises ContractError where there is no such file."""
        self.path, self.null_ids = path, frozenset(word.lower() for word in null_ids)
        if not path.is_file():
            raise ContractError(f"{path}: expected a text file with one user id a line, found no file")
        self.name = sha256_file(path)

    def count(self) -> int:
        """See UserSource. Raises ContractError for a line that is no id; the message does not contain it."""
        return sum(1 for _ in self._ids())

    def pages(self, size: int, n_done: int, last: str) -> Iterator[list[str]]:
        """See UserSource."""
        found = islice(self._ids(), n_done, None)
        while page := list(islice(found, size)):
            yield page

    def _lines(self, file: TextIO) -> Iterator[str]:
        try:
            yield from file
        except UnicodeDecodeError:
            raise ContractError(f"{self.path}: expected a text file in UTF-8; save it so") from None

    def _ids(self) -> Iterator[str]:
        """Yield the ids by the rules of ingest and of the service; blank lines are left out."""
        with self.path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(self._lines(file), 1):
                word = line.strip()
                if not word or (number == 1 and word == HEADER):
                    continue
                token = ids.shop_null_ids.set(self.null_ids)
                try:
                    yield ids.parse(word)
                except ValueError as error:
                    raise ContractError(f"{self.path.name}, line {number}: {error}; correct the line") from None
                finally:
                    ids.shop_null_ids.reset(token)
