"""The hub over real HTTP on the loopback, with members in threads."""

import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.errors import ContractError
from components.federated.hub import NUMBER, Hub, serving_hub
from components.federated.member_client import MemberClient
from components.federated.messages import Message
from components.federated.requests import sign_request

NAMES = ("fast", "slow", "refuses")
KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n, name in enumerate(NAMES)}


class Echo:
    """Answers with the step; "slow" waits until it may go on, "refuses" refuses."""

    def __init__(self, name: str) -> None:
        self.name, self.run, self.is_done = name, "", False
        self.may_go_on = threading.Event()

    def answer(self, step: str, message: Message) -> Message:
        if step == "end":
            self.is_done = True
        elif self.name == "slow":
            self.may_go_on.wait(20)
        elif self.name == "refuses":
            raise ContractError("will not")
        self.run = message.fields.get("run", self.run)
        return Message({"step": step, "got": message.fields})


@pytest.fixture
def running() -> Iterator[tuple[Hub, str, dict[str, Echo]]]:
    """Return a hub with a deadline of a second, its address and its members."""
    hub = Hub({name: key.public_key() for name, key in KEYS.items()}, 1.0, 1000)
    members = {name: Echo(name) for name in NAMES}
    with serving_hub(hub, "127.0.0.1", 0) as address:
        clients = [MemberClient(address, name, KEYS[name], 10) for name in NAMES]
        threads = [
            threading.Thread(target=client.work, args=(members[client.name],), daemon=True) for client in clients
        ]
        for thread in threads:
            thread.start()
        hub.wait_for_members(3, 30)
        yield hub, address, members
        members["slow"].may_go_on.set()
        hub.deadline_s = 20
        hub.ask("end", dict.fromkeys(NAMES, Message()))
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()


def test_a_step_goes_on_with_those_who_answer_in_time(running: tuple[Hub, str, dict[str, Echo]]) -> None:
    hub, _, members = running
    requests = {name: Message({"run": "r", "for": name}) for name in NAMES}
    answers = hub.ask("first", requests)
    assert list(answers) == ["fast"]
    assert answers["fast"].fields == {"step": "first", "got": {"run": "r", "for": "fast"}}
    assert hub.received == len(answers["fast"].pack()) + len(Message({"refused": "will not"}).pack())
    assert hub.sent == sum(len(message.pack()) for message in requests.values())
    hub.deadline_s = 20
    members["slow"].may_go_on.set()  # its answer to the first step is late, that to the second one counts
    assert list(hub.ask("second", {name: Message() for name in ("fast", "slow")})) == ["fast", "slow"]
    until = time.monotonic() + 20
    while hub.present() != {"fast": "r", "refuses": "", "slow": "r"} and time.monotonic() < until:
        time.sleep(0.05)
    assert hub.present() == {"fast": "r", "refuses": "", "slow": "r"}


def test_strangers_and_large_or_late_answers_are_rejected(running: tuple[Hub, str, dict[str, Echo]]) -> None:
    _, address, _ = running
    with httpx.Client(base_url=address, trust_env=False) as http:

        def post(path: str, body: bytes) -> int:
            headers = sign_request("refuses", KEYS["refuses"], path, time.time_ns(), body)
            return http.post(path, content=body, headers=headers).status_code

        assert http.post("/next", content=b"").status_code == 401
        assert post("/next", b"no message") == 400
        assert post("/answer/99", Message().pack()) == 410
        assert post("/answer/99", bytes(1001)) == 401
        assert NUMBER not in http.get("/next").headers


def test_a_taken_port_is_named() -> None:
    hub = Hub({}, 1.0, 1000)
    with serving_hub(hub, "127.0.0.1", 0) as address:
        port = int(address.rpartition(":")[2])
        with (
            pytest.raises(ContractError, match=f"cannot listen on 127.0.0.1:{port}"),
            serving_hub(hub, "127.0.0.1", port),
        ):
            pass
