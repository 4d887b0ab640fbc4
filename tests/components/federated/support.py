"""Members in this process, and a channel on which each can drop out before a step."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from components.errors import ContractError
from components.federated.answers import MemberAnswers
from components.federated.messages import Message
from components.federated.secure_sum import SumPlan
from components.federated.sum_member import SumPolicy

POLICY = SumPolicy(0.6, 2)


def entropy_of(seed: str) -> Callable[[int], bytes]:
    """Return a source of bytes that depend on the seed alone, each of which it returns once."""
    count = 0

    def draw(n: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(n)

    return draw


def make_members(
    values: Mapping[str, NDArray[np.float64]], policy: SumPolicy = POLICY, seed: str = "0"
) -> dict[str, MemberAnswers]:
    """Return members that hold these values, and know each other."""
    identities = {name: Ed25519PrivateKey.from_private_bytes(entropy_of(f"{seed} {name}")(32)) for name in values}
    public = {name: identity.public_key() for name, identity in identities.items()}
    return {
        name: MemberAnswers(name, identities[name], public, policy, lambda _, own=own: own, entropy_of(f"{seed}{name}"))
        for name, own in values.items()
    }


def plan(size: int, policy: SumPolicy = POLICY) -> SumPlan:
    return SumPlan("run/1", Message(), size, policy)


class LocalChannel:
    """Calls members in this process; `drops` names those that no longer answer from a step on."""

    def __init__(self, members: Mapping[str, Any], drops: Mapping[str, Sequence[str]] | None = None) -> None:
        self.members, self.drops = members, drops or {}
        self.gone: set[str] = set()
        self.transcript: list[tuple[str, str, Message]] = []  # what the coordinator received
        self.refusals: list[str] = []
        self.sent = self.received = 0

    def present(self) -> dict[str, str]:
        return {name: getattr(self.members[name], "run", "") for name in sorted(set(self.members) - self.gone)}

    def ask(self, step: str, requests: Mapping[str, Message]) -> dict[str, Message]:
        self.gone |= set(self.drops.get(step, ()))
        answers = {}
        for name in sorted(set(requests) - self.gone):
            try:
                answer = self.members[name].answer(step, Message.unpack(requests[name].pack()))
            except ContractError as error:
                self.refusals.append(f"{name}: {error}")
                continue
            answers[name] = Message.unpack(answer.pack())
            self.transcript.append((step, name, answers[name]))
            self.sent += len(requests[name].pack())
            self.received += len(answer.pack())
        return answers
