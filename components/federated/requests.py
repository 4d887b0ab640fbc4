"""Signed requests of members: who sends them, and that each is sent once."""

import hashlib
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.federated.keys import Members, is_signed

MEMBER, COUNTER, SIGNATURE = "X-Carousel-Member", "X-Carousel-Counter", "X-Carousel-Signature"


def sign_request(name: str, identity: Ed25519PrivateKey, path: str, counter: int, body: bytes) -> dict[str, str]:
    """Return the headers of a request; the counter grows with each, such as the time in ns."""
    signature = identity.sign(_content(name, path, counter, body)).hex()
    return {MEMBER: name, COUNTER: str(counter), SIGNATURE: signature}


class RequestVerifier:
    """Accepts requests that a member signed, with a counter above that of all its earlier ones."""

    def __init__(self, members: Members) -> None:
        self.members = members
        self.newest: dict[str, int] = {}

    def verify(self, headers: Mapping[str, str], path: str, body: bytes) -> str | None:
        """Return the member that sent the request; None where it is not authentic, or was received before."""
        name, counter = headers.get(MEMBER, ""), headers.get(COUNTER, "")
        try:
            signature = bytes.fromhex(headers.get(SIGNATURE, ""))
        except ValueError:
            return None
        if name not in self.members or not (counter.isascii() and counter.isdigit() and len(counter) < 20):
            return None
        if not is_signed(self.members[name], signature, _content(name, path, int(counter), body)):
            return None
        if int(counter) <= self.newest.get(name, -1):
            return None
        self.newest[name] = int(counter)
        return name


def _content(name: str, path: str, counter: int, body: bytes) -> bytes:
    return f"request\n{name}\n{path}\n{counter}\n{hashlib.sha256(body).hexdigest()}".encode()
