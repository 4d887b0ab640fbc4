"""Idempotency keys: a request that is repeated with its key stores nothing, after a restart and in other processes too.

The store holds an HMAC of each key and of its body, so that neither tells the ids of users. A key is claimed in the
transaction that stores the events of its request: both are durable, or neither.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from components.errors import CarouselError

N_BYTES = 16  # of a stored digest


class KeyReusedError(CarouselError):
    """The idempotency key belongs to an earlier request with another body."""

    def __init__(self) -> None:
        super().__init__(
            "the Idempotency-Key was used before with another body; expected a new key, such as a UUID, for each "
            "request, and the same body in each repetition"
        )


class Claim(NamedTuple):
    """The row of a key in the store."""

    key: bytes
    digest: bytes  # of the body
    at: int  # us


def make_claim(secret: bytes, key: str, body: bytes, at: int) -> Claim:
    """Return the claim of a request. secret: the same in all processes that share a store; at: us."""

    def digest(text: bytes) -> bytes:
        return hmac.digest(secret, text, sha256)[:N_BYTES]

    return Claim(digest(b"key\0" + key.encode()), digest(body), at)


def judge_claims(
    claims: Sequence[Claim | None], insert: Callable[[Sequence[Claim]], Mapping[bytes, bytes]]
) -> list[int | KeyReusedError | None]:
    """Return None for each request whose events are to be stored, 0 for a repeated one, and the error of any other.

    claims: of requests that are stored together, None: it has no key. insert: stores the claims whose keys are new, and
    returns key -> digest of the others.
    """
    firsts: dict[bytes, Claim] = {}  # of each key
    for claim in claims:
        if claim is not None:
            firsts.setdefault(claim.key, claim)
    stored = insert([firsts[key] for key in sorted(firsts)]) if firsts else {}

    def judge(claim: Claim | None) -> int | KeyReusedError | None:
        if claim is None or (claim.key not in stored and firsts[claim.key] is claim):
            return None
        digest = stored.get(claim.key, firsts[claim.key].digest)
        return 0 if digest == claim.digest else KeyReusedError()

    return [judge(claim) for claim in claims]
