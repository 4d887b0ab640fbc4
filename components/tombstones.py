"""Tombstones of forgotten users: HMACs of their ids, which keep them out of later snapshots and do not reveal them.

The key is secret: from the environment, else from a file that the first process makes.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from components.contracts import Record
from components.errors import ContractError
from components.io import find_record, sha256_bytes, write_record
from components.private import make_folder, private_opener, restrict

KEY_FILE = "erasure.key"
FORGOTTEN_FILE = "forgotten.json"  # in the folder of a shop: TombstoneFile
SOURCES_KEY = "forgotten"  # in run/sources.json: shop, and digest of its file, so that `ingest` runs again
USER_COLUMNS = ("user_id", "other_id")  # columns that hold ids of users, in every table that Carousel writes
MIN_LENGTH = 32  # characters


def load_key(file: Path, secret: str | None = None, variable: str = "CAROUSEL_ERASURE_KEY") -> bytes:
    """Return the key: the secret where there is one, else the content of the file, which is made where it is missing.

    variable: the environment variable of the secret, for messages.

    Raises ContractError for a key that is too short to be secret, and for a file that cannot be read or made.
    """
    if secret is not None:
        return _checked(secret, variable)
    try:
        make_folder(file.parent)
        temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        if not file.exists():
            try:
                with open(temporary, "x", encoding="ascii", opener=private_opener) as made:
                    made.write(secrets.token_hex(32))
                    made.flush()
                    os.fsync(made.fileno())
                os.link(temporary, file)  # of several processes, one makes the file
            except FileExistsError:
                pass
            finally:
                temporary.unlink(missing_ok=True)
        restrict(file)
        return _checked(file.read_text(encoding="ascii"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"{file}: expected a secret key, got {error}; restore it, or set {variable}") from None


def _checked(key: str, where: str) -> bytes:
    if len(key.strip()) < MIN_LENGTH:
        raise ContractError(
            f"{where}: expected a secret of {MIN_LENGTH} characters or more, got {len(key.strip())}; make one with "
            "`openssl rand -hex 32`, or restore the earlier one"
        )
    return key.strip().encode()


def unkeyed_tombstone(user_id: str) -> str:
    """Return the tombstone of version 0.2: whoever reads it can find the id by hashing possible ids."""
    return sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()


def add_key(unkeyed: str, key: bytes) -> str:
    """Return the tombstone (HMAC-SHA256, hexadecimal) for one of version 0.2."""
    return hmac.new(key, unkeyed.encode(), sha256).hexdigest()


def tombstone(user_id: str, key: bytes) -> str:
    """Return the tombstone of a deleted user, which reveals the id only to whoever has the key."""
    return add_key(unkeyed_tombstone(user_id), key)


def key_id(key: bytes) -> str:
    """Return 16 digits that tell keys apart and do not reveal them."""
    return hmac.new(key, b"key id", sha256).hexdigest()[:16]


class TombstoneFile(Record):
    """shops/NAME/forgotten.json: who is kept out of snapshots."""

    key: str  # key_id
    users: dict[str, int]  # tombstone -> time of the newest deletion (us)


@dataclass(frozen=True)
class Forgotten:
    """The users whom a shop has forgotten; found by hashing the ids that are asked about."""

    key: bytes
    users: Mapping[str, int]  # tombstone -> time of the newest deletion (us)

    @classmethod
    def read(cls, shop: Path, secret: str | None) -> Forgotten | None:
        """Return the forgotten users of a shop's folder; None where there are none: the key is not read then.

        Raises ContractError where the key is not the one that the tombstones were made with.
        """
        stored = find_record(shop / FORGOTTEN_FILE, TombstoneFile, "tombstones", "restore it from a backup")
        if stored is None or not stored.users:
            return None
        key = load_key(shop / KEY_FILE, secret)
        if key_id(key) != stored.key:
            raise ContractError(
                f"{shop / FORGOTTEN_FILE}: its tombstones were made with another key; restore {KEY_FILE}, or set "
                "CAROUSEL_ERASURE_KEY to the earlier one: without it forgotten users would come back"
            )
        return cls(key, stored.users)

    def write(self, shop: Path) -> None:
        """Replace the file of the shop."""
        write_record(shop / FORGOTTEN_FILE, TombstoneFile(key=key_id(self.key), users=dict(sorted(self.users.items()))))
        restrict(shop / FORGOTTEN_FILE)

    def select(self, ids: Iterable[str | None]) -> set[str]:
        """Return those of the ids that are of forgotten users."""
        return {one for one in set(ids) if one is not None and tombstone(one, self.key) in self.users}

    def names(self, text: str) -> set[str]:
        """Return the ids of forgotten users that the text holds as words, such as a damaged line of a file."""
        return self.select(_words(text))


def tombstones_digest(shop: Path) -> str | None:
    """Return a digest that changes with each forgotten user; None where there are none."""
    file = shop / FORGOTTEN_FILE
    return sha256_bytes(file.read_bytes()) if file.is_file() else None


def _words(text: str) -> set[str]:
    """Return what may be an id: pieces between separators of CSV, JSON and text, quoted pieces, and both unescaped."""
    pieces = re.split(r"""[\s,;|\t"'{}\[\]()<>]+""", text)
    quoted = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    fields = re.split(r"[,;|\t\n]", text)
    return {part.strip(" \"'") for part in (*pieces, *quoted, *fields)} | {p.removesuffix(":") for p in pieces}
