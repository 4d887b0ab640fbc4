"""After a promotion the live service is queried for its version; the result is noted in the ledger."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from components.release.promotion import promote
from tests.components.release.support import Decide, Registered


class Service(BaseHTTPRequestHandler):
    """A live service that follows the alias after some requests."""

    answers: list[bytes]

    def do_GET(self) -> None:
        body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("components.release.smoke_test.POLL_S", 0.05)
    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("answers", "note"),
    [
        ([b'{"version": 9}', b"not json", b'{"version": 1}'], "live service serves version 1"),
        ([b'{"version": 9}'], "does NOT serve version 1 after 0.5 s: it says 9"),
        ([b"[]"], "does NOT serve version 1 after 0.5 s"),
    ],
)
def test_the_note_reports_whether_the_live_service_serves_the_version(
    registered: Registered,
    decide: Decide,
    service: str,
    answers: list[bytes],
    note: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("components.release.smoke_test.WAIT_S", 0.5)
    Service.answers = list(answers)
    registry, settings = registered
    done = promote(decide(1), registry, settings.model_copy(update={"service_url": service}))
    assert done.state == "done"
    assert note in done.note


@pytest.mark.parametrize(("url", "note"), [("http://127.0.0.1:9", "no answer"), ("file:///etc/passwd", "not an http")])
def test_the_note_reports_that_the_service_does_not_answer(
    registered: Registered, decide: Decide, url: str, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.release.smoke_test.WAIT_S", 0.1)
    registry, settings = registered
    assert note in promote(decide(1), registry, settings.model_copy(update={"service_url": url})).note
