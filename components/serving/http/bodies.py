"""The body of a request: its framing, its encoding and its type. Read and unpacked within bounds."""

import re
import zlib
from collections.abc import Mapping

from starlette.types import Receive, Scope

from components.serving.http.problems import ProblemError

GZIP, ZLIB, RAW = 31, 15, -15  # window bits of zlib: the header before the compressed bytes
ENCODINGS = {b"gzip": (GZIP,), b"x-gzip": (GZIP,), b"deflate": (ZLIB, RAW)}  # deflate: many clients send no header
LENGTH = re.compile(rb"\d{1,18}")
JSON_TYPE = re.compile(r"(application/([a-z0-9.!#$&^_-]+\+)?json|text/plain)?")
ACCEPTED = "application/json"
CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]*)")
CHARSETS = ("utf-8", "utf8", "us-ascii")
Headers = Mapping[bytes, bytes]


class DisconnectError(Exception):
    """The client closed the connection before the body was complete."""


async def read_json(scope: Scope, headers: Headers, receive: Receive, max_bytes: int) -> bytes:
    """Return the unpacked body. The scope's headers then say what it is: JSON, not encoded.

    Raises ProblemError for a body that is too large, of another type or encoding, or damaged, and DisconnectError.
    """
    check_framing(scope["http_version"], headers)
    body = await _read(headers, receive, max_bytes)
    if not body or scope["method"] == "GET":
        return body
    kind, encoding = headers.get(b"content-type"), headers.get(b"content-encoding")
    if kind == ACCEPTED.encode() and encoding is None:
        return body
    _check_type(kind or b"")
    others = [(k, v) for k, v in scope["headers"] if k not in (b"content-type", b"content-encoding", b"content-length")]
    scope["headers"] = [*others, (b"content-type", ACCEPTED.encode())]
    return unpack(body, encoding or b"identity", max_bytes)


def check_framing(http_version: str, headers: Headers) -> None:
    """Raise ProblemError where another server could see another end of the body (request smuggling)."""
    if b"transfer-encoding" in headers and (b"content-length" in headers or http_version == "1.0"):
        raise ProblemError(400, "the length of the body is ambiguous: expected Content-Length or Transfer-Encoding")
    if not LENGTH.fullmatch(headers.get(b"content-length", b"0")):
        raise ProblemError(400, "Content-Length must be a number of bytes")


def unpack(body: bytes, encoding: bytes, max_bytes: int) -> bytes:
    """Return the decoded body; no more than max_bytes + 1 are ever unpacked. Raises ProblemError."""
    name = encoding.strip().lower()
    if name in (b"", b"identity"):
        return body
    if name not in ENCODINGS:
        accepted = {"Accept-Encoding": "gzip, deflate, identity"}
        raise ProblemError(415, "the Content-Encoding is unknown: expected gzip, deflate or none", accepted)
    error: zlib.error | None = None
    for bits in ENCODINGS[name]:
        try:
            return _inflate(body, bits, max_bytes)
        except zlib.error as failure:
            error = failure
    raise ProblemError(400, f"the body is not complete {name.decode()}, as its Content-Encoding says") from error


async def _read(headers: Headers, receive: Receive, max_bytes: int) -> bytes:
    if int(headers.get(b"content-length", b"0")) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectError
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _inflate(body: bytes, bits: int, max_bytes: int) -> bytes:
    """Return the unpacked bytes of one or several members, one after another. Raises zlib.error, ProblemError."""
    unpacked = bytearray()
    while body:
        stream = zlib.decompressobj(bits)
        unpacked += stream.decompress(body, max_bytes + 1 - len(unpacked))
        if len(unpacked) > max_bytes:
            raise _too_large(max_bytes)
        if not stream.eof:
            raise zlib.error("it ends too early")
        body = stream.unused_data
    return bytes(unpacked)


def _check_type(kind: bytes) -> None:
    """Raise ProblemError for a type other than JSON, plain text (what `navigator.sendBeacon` says of JSON) and none."""
    text = kind.decode("latin-1").lower()
    charset = CHARSET.search(text)
    if not JSON_TYPE.fullmatch(text.partition(";")[0].strip()) or (charset and charset[1] not in CHARSETS):
        raise ProblemError(
            415, "the body must be JSON in UTF-8: send the header Content-Type: application/json", {"Accept": ACCEPTED}
        )


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(413, f"the body is over {max_bytes // 1024} KiB (serving.max_body_kib), unpacked")
