"""The Python client against the running service: typed answers, repeated requests, errors, tokens, light imports."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from carousel_client import (
    CarouselClient,
    EventIn,
    EventsRequest,
    ItemsRequest,
    RecommendRequest,
    SearchRequest,
    ServiceError,
    SimilarRequest,
    StockRequest,
    UnavailableError,
    UserRequest,
)

from components.params import Params
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.support import ROOT, TOKEN, running_app

HEAVY = ("torch", "mlflow", "fastapi", "starlette", "pandas", "numpy", "pyarrow", "components", "flows", "dvc")


@pytest.fixture
def address(watcher: ModelWatcher, params: Params) -> Iterator[str]:
    with running_app(watcher, params, registry=None) as address:
        yield address


def view(user: str, *items: int) -> EventsRequest:
    return EventsRequest(events=[EventIn(user_id=user, item_id=f"sku-{i}", event="view") for i in items])


@contextmanager
def losing_answers(address: str, n_lost: int) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the address of a proxy that passes on all requests, but not the first answers; and the requests."""
    host, port = address.removeprefix("http://").split(":")
    requests: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed
                return
            with connection:
                requests.append(connection.recv(65_536))
                if b"\r\n\r\n{" not in requests[-1]:  # the body came later than the head
                    requests[-1] += connection.recv(65_536)
                with socket.create_connection((host, int(port))) as service:
                    service.sendall(requests[-1].replace(b"keep-alive", b"close"))
                    answer = b"".join(iter(lambda: service.recv(65_536), b""))
                if len(requests) > n_lost:
                    connection.sendall(answer)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(timeout=20)


def items_of(client: CarouselClient, user: str) -> list[str]:
    return [event.item_id for event in client.profile(UserRequest(user_id=user)).history]


def test_every_route_has_a_typed_answer(address: str) -> None:
    with CarouselClient(address, admin_token=TOKEN, timeout_s=30) as client:
        assert client.readyz().model == "ease"
        before = client.recommend(RecommendRequest(user_id="ann", k=4))
        assert (before.model, before.reason, len(before.items)) == ("popularity", "no history", 4)
        stored = client.events(view("ann", 1, 3))
        assert (stored.accepted, stored.new) == (2, 2)
        after = client.recommend(RecommendRequest(user_id="ann", k=4, explain=True))
        assert (after.model, after.reason) == ("ease", None)
        assert after.items[0].contributions
        assert len(client.search(SearchRequest(query="red", k=3)).items) == 3
        assert len(client.similar(SimilarRequest(item_id="sku-1", k=3)).items) == 3
        assert client.bundle(SimilarRequest(item_id="sku-1", k=3)).version == 1
        assert client.explain(ItemsRequest(user_id="ann", item_ids=["sku-5"])).items[0].item_id == "sku-5"
        assert client.experiment(UserRequest(user_id="ann")).experiment is None
        assert items_of(client, "ann") == ["sku-1", "sku-3"]
        assert client.stock(StockRequest(quantities={"sku-1": 0})).products == 1
        assert client.status()["serving"] == 1


def test_an_event_whose_answer_is_lost_counts_once(address: str) -> None:
    with losing_answers(address, 2) as (proxy, requests), CarouselClient(proxy, timeout_s=30) as client:
        assert client.events(view("ann", 1)).accepted == 1
        assert len(requests) == 3
        keys = {line for sent in requests for line in sent.splitlines() if line.lower().startswith(b"idempotency-key")}
        assert len(keys) == 1
    with CarouselClient(address, timeout_s=30) as client:
        assert items_of(client, "ann") == ["sku-1"]
        client.events(view("ann", 2), idempotency_key="mine")
        client.events(view("ann", 2), idempotency_key="mine")
        assert items_of(client, "ann") == ["sku-1", "sku-2"]
        with pytest.raises(ServiceError, match="422: the Idempotency-Key was used before with another body"):
            client.events(view("ann", 3), idempotency_key="mine")


def test_when_all_attempts_fail_the_error_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with CarouselClient(f"http://127.0.0.1:{port}", n_attempts=2) as client:
        with pytest.raises(UnavailableError, match=r"POST /recommend: 2 attempts, the last: ConnectError"):
            client.recommend(RecommendRequest(user_id="ann"))
        with pytest.raises(UnavailableError, match=r"GET /readyz"):
            client.readyz()


def test_an_error_names_the_field_and_what_was_expected(address: str) -> None:
    with CarouselClient(address, timeout_s=30) as client:
        with pytest.raises(ServiceError, match=r"422: .*; body\.k: expected greater than or equal to 1 \(request"):
            client.recommend(RecommendRequest(user_id="ann", k=0))
        with pytest.raises(ServiceError, match="no ranker") as error:
            client.rank(ItemsRequest(user_id="ann", item_ids=["sku-1"]))
        assert error.value.status == 404
        with pytest.raises(ServiceError, match="401: admin routes need CAROUSEL_ADMIN_TOKEN"):
            client.reload()
    with pytest.raises(ValueError, match="histroy"):
        RecommendRequest.model_validate({"histroy": []})


def test_a_read_token_is_sent(watcher: ModelWatcher, params: Params) -> None:
    with running_app(watcher, params, "read-t0ken") as address:
        with CarouselClient(address, timeout_s=30) as client, pytest.raises(ServiceError, match="401"):
            client.recommend(RecommendRequest(user_id="ann"))
        with CarouselClient(address, "read-t0ken", timeout_s=30) as client:
            assert client.recommend(RecommendRequest(user_id="ann")).version == 1


def test_the_client_imports_neither_the_service_nor_what_it_needs() -> None:
    code = f"import sys, carousel_client; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "client", capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
