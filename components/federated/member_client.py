"""A member's end of HTTP: asks the coordinator for work until the run ends."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.errors import ContractError
from components.federated.hub import HOLD_S, NUMBER, STEP
from components.federated.messages import Message
from components.federated.requests import sign_request

log = logging.getLogger("federated")
RETRY_S = 0.5  # between attempts to reach the coordinator


class Answerer(Protocol):
    """What answers requests: a Member."""

    run: str
    is_done: bool

    def answer(self, step: str, message: Message) -> Message:
        """Return the answer; raises ContractError where the request is refused."""
        ...


class MemberClient:
    """Carries requests to a member of this process and its answers back."""

    def __init__(
        self,
        address: str,
        name: str,
        identity: Ed25519PrivateKey,
        patience_s: float,
        counter: Callable[[], int] = time.time_ns,
    ) -> None:
        """patience_s: time without the coordinator after which it is given up; `counter` grows with each call."""
        self.name, self.identity, self.patience_s, self.counter = name, identity, patience_s, counter
        self.http = httpx.Client(base_url=address, timeout=httpx.Timeout(60, read=HOLD_S + 60), trust_env=False)

    def work(self, member: Answerer) -> None:
        """Answer requests until the run has ended; raises ContractError where the coordinator is gone."""
        with self.http:
            while not member.is_done:
                response = self._post("/next", Message({"run": member.run}).pack())
                if response.status_code == 200:
                    self._answer(member, response)

    def _answer(self, member: Answerer, response: httpx.Response) -> None:
        step, number = response.headers.get(STEP, ""), response.headers.get(NUMBER, "")
        try:
            answer = member.answer(step, Message.unpack(response.content))
        except ContractError as error:
            log.warning("%s", error)
            answer = Message({"refused": str(error)})
        found = self._post(f"/answer/{number}", answer.pack())
        if found.status_code == 410:
            log.warning("step %s was over before this member answered", step)

    def _post(self, path: str, body: bytes) -> httpx.Response:
        """Return the response; tries again where the coordinator cannot be reached."""
        until = time.monotonic() + self.patience_s
        while True:
            headers = sign_request(self.name, self.identity, path, self.counter(), body)
            try:
                response = self.http.post(path, content=body, headers=headers)
            except httpx.TransportError as error:
                if time.monotonic() >= until:
                    raise ContractError(
                        f"federated: no answer of {self.http.base_url} for {self.patience_s:g} s ({error!r}); "
                        "check address and coordinator, then join again"
                    ) from None
                time.sleep(RETRY_S)
                continue
            if response.status_code not in (200, 204, 410):
                raise ContractError(
                    f"federated: {self.http.base_url} answered {response.status_code} to {self.name}: "
                    f"{response.text.strip()[:200]}; is its public key in the coordinator's list of members?"
                )
            return response
