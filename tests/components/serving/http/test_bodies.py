"""Bodies as clients in the field send them: types, encodings, framing; unpacked within bounds."""

import gzip
import json
import tracemalloc
import zlib

import pytest
from fastapi.testclient import TestClient

from components.serving.http.bodies import unpack
from components.serving.http.problems import ProblemError

EVENTS = json.dumps({"events": [{"user_id": "ann", "item_id": "sku-1", "event": "view"}]}).encode()


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "text/plain",
        "text/plain;charset=UTF-8",
        "Text/Plain; Charset=utf-8",
        "application/json",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/cloudevents+json",
    ],
)
def test_a_json_body_is_taken_under_the_types_that_browsers_send(client: TestClient, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    reply = client.post("/events", content=EVENTS, headers=headers)
    assert reply.status_code == 200, reply.text
    assert reply.json()["new"] == 1


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/html",
        "application/jsonx",
        "application/octet-stream",
        "text/plain; charset=utf-16",
        "json",
    ],
)
def test_other_types_are_refused_with_the_type_to_send(client: TestClient, kind: str) -> None:
    reply = client.post("/events", content=EVENTS, headers={"content-type": kind})
    assert (reply.status_code, reply.headers["content-type"]) == (415, "application/problem+json")
    assert "Content-Type: application/json" in reply.json()["detail"]


def test_a_request_without_a_body_needs_no_type(client: TestClient) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded", "authorization": "Bearer t0ken"}
    assert client.post("/admin/reload", headers=headers).status_code == 200
    assert client.post("/recommend", content=b"", headers=headers).status_code == 422


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("identity", bytes),
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_packed_bodies_are_unpacked(client: TestClient, encoding: str, pack: object, kind: str) -> None:
    headers = {"content-type": kind, "content-encoding": encoding}
    reply = client.post("/events", content=pack(EVENTS), headers=headers)  # type: ignore[operator]
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip, br", "utf-8", "\xff"])
def test_unknown_encodings_are_refused_with_the_known_ones(client: TestClient, encoding: str) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding.encode("latin-1")}
    reply = client.post("/events", content=EVENTS, headers=headers)
    assert (reply.status_code, reply.headers["accept-encoding"]) == (415, "gzip, deflate, identity")


@pytest.mark.parametrize(
    "body",
    [EVENTS, gzip.compress(EVENTS)[:-1], gzip.compress(EVENTS)[:20], gzip.compress(EVENTS) + b"junk", b"\x1f"],
    ids=["plain", "cut", "cut early", "followed by junk", "one byte"],
)
def test_damaged_packed_bodies_get_400(client: TestClient, body: bytes) -> None:
    for encoding in ("gzip", "deflate"):
        headers = {"content-type": "application/json", "content-encoding": encoding}
        assert client.post("/events", content=body, headers=headers).status_code == 400


def test_the_bound_holds_for_the_unpacked_size(client: TestClient) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    room = 64 * 1024 - len(EVENTS)
    assert client.post("/events", content=gzip.compress(EVENTS + b" " * room), headers=headers).status_code == 200
    assert client.post("/events", content=gzip.compress(EVENTS + b" " * (room + 1)), headers=headers).status_code == 413
    many = gzip.compress(b" " * 1000) * 66  # each member is within the bound
    assert client.post("/events", content=many, headers=headers).status_code == 413


@pytest.mark.parametrize(("encoding", "pack"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
def test_a_bomb_takes_no_memory(encoding: bytes, pack: object) -> None:
    bomb = pack(bytes(50_000_000))  # type: ignore[operator]
    assert len(bomb) < 64 * 1024
    tracemalloc.start()
    with pytest.raises(ProblemError) as caught:
        unpack(bomb, encoding, 64 * 1024)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (caught.value.status, peak < 2_000_000) == (413, True)
