"""The coordinator's end of HTTP: members ask for their next request and send the answer. No member needs an address.

POST /next             a JSON field `run`; 200 and the request (step and number in headers), or 204: ask again
POST /answer/{number}  the answer, or a field `refused`; 204, or 410 where the step is over
"""

import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from components.errors import ContractError
from components.federated.keys import Members
from components.federated.messages import Message
from components.federated.requests import RequestVerifier

log = logging.getLogger("federated")
HOLD_S = 5.0  # that a member's request for work is held open
CHECK_S = 0.05  # between two looks for work
PRESENT_S = 3 * HOLD_S  # since a member last asked for work, after which it counts as absent
MAX_CONNECTIONS = 1000
STEP, NUMBER = "X-Carousel-Step", "X-Carousel-Number"
NEXT_BYTES = 10_000  # of a request for work


@dataclass(frozen=True)
class Task:
    """A request that waits for a member's answer."""

    number: int
    step: str
    body: bytes


class Hub:
    """A Channel over HTTP. `ask` runs in another thread than the server."""

    def __init__(self, members: Members, deadline_s: float, max_bytes: int) -> None:
        self.deadline_s, self.max_bytes = deadline_s, max_bytes
        self.verifier = RequestVerifier(members)
        self.sent = self.received = 0  # bytes of requests and answers, without headers
        self.tasks: dict[str, Task] = {}
        self.taken: set[int] = set()  # numbers of tasks that a member has fetched
        self.answers: dict[str, Message | None] = {}  # of the step; None: refused
        self.seen: dict[str, tuple[float, str]] = {}  # member -> when it last asked for work, and its run
        self.number = 0
        self.is_closing = False
        self.changed = threading.Condition()
        routes = [
            Route("/next", self._next, methods=["POST"]),
            Route("/answer/{number:int}", self._answer, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)

    def ask(self, step: str, requests: Mapping[str, Message]) -> dict[str, Message]:
        """Send each member its request; return the answers that came within the deadline."""
        distinct = {id(message): message for message in requests.values()}  # one for many members is packed once
        packed = {key: message.pack() for key, message in distinct.items()}
        with self.changed:
            self.answers = {}
            for name, message in requests.items():
                self.number += 1
                self.tasks[name] = Task(self.number, step, packed[id(message)])
            self.changed.wait_for(lambda: len(self.answers) == len(requests), self.deadline_s)
            late = sorted(set(requests) - set(self.answers))
            self.tasks.clear()
            found = {name: answer for name, answer in sorted(self.answers.items()) if answer is not None}
        if late:
            log.warning("step %s: no answer within %g s of %s", step, self.deadline_s, ", ".join(late))
        return found

    def present(self) -> dict[str, str]:
        """Return the members that ask for work, sorted, and the run that each has started."""
        with self.changed:
            newest = time.monotonic() - PRESENT_S
            return {name: run for name, (at, run) in sorted(self.seen.items()) if at >= newest}

    def wait_for_members(self, n: int, seconds: float) -> None:
        """Return when n members are present, or after so many seconds."""
        until = time.monotonic() + seconds
        while len(self.present()) < n and time.monotonic() < until:
            time.sleep(CHECK_S)

    async def _next(self, request: Request) -> Response:
        name, body = await self._read(request, NEXT_BYTES)
        if name is None:
            return Response("not a member's request\n", 401)
        try:
            run = str(Message.unpack(body).fields.get("run", ""))
        except ContractError as error:
            return Response(f"{error}\n", 400)
        until = time.monotonic() + HOLD_S
        while True:
            with self.changed:
                self.seen[name] = (time.monotonic(), run)
                task = self.tasks.get(name)
                if task is not None and task.number not in self.taken:
                    self.taken.add(task.number)
                    self.sent += len(task.body)
                    return Response(task.body, headers={STEP: task.step, NUMBER: str(task.number)})
            if self.is_closing or time.monotonic() >= until or await request.is_disconnected():
                return Response(status_code=204)
            await anyio.sleep(CHECK_S)

    async def _answer(self, request: Request) -> Response:
        name, body = await self._read(request, self.max_bytes)
        if name is None:
            return Response("not a member's request, or too large\n", 401)
        with self.changed:
            task = self.tasks.get(name)
            if task is None or task.number != request.path_params["number"] or name in self.answers:
                return Response("the step is over\n", 410)
        answer: Message | None
        try:
            answer = Message.unpack(body)
        except ContractError as error:
            return Response(f"{error}\n", 400)
        if "refused" in answer.fields:
            log.warning("%s refused step %s: %s", name, task.step, str(answer.fields["refused"])[:500])
            answer = None
        with self.changed:
            self.received += len(body)
            self.answers[name] = answer
            self.changed.notify_all()
        return Response(status_code=204)

    async def _read(self, request: Request, limit: int) -> tuple[str | None, bytes]:
        """Return the member that signed the request, None for nobody, and the body."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                return None, b""
        return self.verifier.verify(request.headers, request.url.path, bytes(body)), bytes(body)


@contextmanager
def serving_hub(hub: Hub, host: str, port: int) -> Iterator[str]:
    """Serve the hub in a thread; yield its address. Port 0: any free one. Raises ContractError for a taken port."""
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise ContractError(f"federated: cannot listen on {host}:{port} ({error.strerror}); choose another") from None
    config = uvicorn.Config(hub.app, log_level="warning", access_log=False, limit_concurrency=MAX_CONNECTIONS,
                            timeout_graceful_shutdown=1, lifespan="off")  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        hub.is_closing = server.should_exit = True
        thread.join()
        listener.close()
