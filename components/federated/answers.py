"""From requests of the coordinator to the steps of a member's secure sums, and back."""

import os
from collections.abc import Callable

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from components.errors import ContractError
from components.federated.keys import Members
from components.federated.messages import Message
from components.federated.sum_member import PublicKeys, SumMember, SumPolicy


class MemberAnswers:
    """Answers the steps of one sum after the other. Each session is answered once."""

    def __init__(
        self,
        name: str,
        identity: Ed25519PrivateKey,
        members: Members,
        policy: SumPolicy,
        compute: Callable[[Message], NDArray[np.float64]],
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`compute` returns this member's values for the request of a sum; it may refuse by a ContractError."""
        self.name, self.identity, self.members, self.policy = name, identity, members, policy
        self.compute, self.entropy = compute, entropy
        self.current: SumMember | None = None
        self.request = Message()
        self.sessions: set[str] = set()

    def answer(self, step: str, message: Message) -> Message:
        """Return the answer; raises ContractError where the request is refused."""
        if step == "keys":
            return self._advertise(message)
        if self.current is None:
            raise ContractError(f"secure sum: step {step!r} before step 'keys'")
        if step == "shares":
            sealed, commitment = self.current.share_seeds(_listed(message))
            shares = {name: content.hex() for name, content in sealed.items()}
            return Message({"shares": shares, "commitment": commitment.hex()})
        if step == "masked":
            masked = self.current.mask(message.hexes("shares"), lambda: self.compute(self.request))
            return Message(arrays={"masked": masked})
        if step == "confirm":
            survivors = [str(name) for name in message.get("survivors", list)]
            return Message({"signature": self.current.confirm(survivors).hex()})
        if step == "unmask":
            own, dropped = self.current.reveal(message.hexes("signatures"))
            return Message({"own": _hexes(own), "dropped": _hexes(dropped)})
        raise ContractError(f"federated: unknown step {step!r}; install the same version on all machines")

    def _advertise(self, message: Message) -> Message:
        session = message.get("session", str)
        if session in self.sessions:
            raise ContractError(f"secure sum {session}: refused: a session is answered once")
        self.sessions.add(session)
        self.request = message
        self.current = SumMember(self.name, self.identity, self.members, self.policy, session, self.entropy)
        return Message({"keys": [part.hex() for part in self.current.advertise()]})


def _hexes(shares: dict[str, bytes]) -> dict[str, str]:
    return {name: content.hex() for name, content in shares.items()}


def _listed(message: Message) -> dict[str, PublicKeys]:
    try:
        return {
            str(name): PublicKeys(*(bytes.fromhex(part) for part in own))
            for name, own in message.get("keys", dict).items()
        }
    except (ValueError, TypeError):
        raise ContractError("secure sum: the list of keys is not three values in hex by name") from None
