"""A member's part in one secure sum.

Source: Bonawitz et al. 2017, "Practical Secure Aggregation for Privacy-Preserving Machine Learning", figure 4, with the
signatures and the consistency check that protect from a coordinator that does not follow the protocol.
"""

import hashlib
import math
import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from components.errors import ContractError
from components.federated import keys
from components.federated.fixed_point import Words, encode

STEPS = ("keys", "shares", "masked", "confirm", "unmask")  # each is answered once, in this order


class PublicKeys(NamedTuple):
    """What a member advertises, and its signature."""

    sealing: bytes  # agrees on keys that seal shares; its seed is never shared
    masking: bytes  # agrees on masks; its seed is restored where the member drops out after it shared
    signature: bytes


class SumPolicy(NamedTuple):
    """How many members a sum needs; all members and the coordinator have the same policy."""

    share: float  # of the members, above 0.5
    min_clients: int

    def count_needed(self, n: int) -> int:
        """Return how many of n members restore a seed, and at least stay in the sum: more than half in any case."""
        return max(2, self.min_clients, n // 2 + 1, math.ceil(self.share * n - 1e-9))


def keys_content(session: str, name: str, sealing: bytes, masking: bytes) -> bytes:
    """Return what a member signs when it advertises keys."""
    return f"keys\n{session}\n{name}\n{sealing.hex()}\n{masking.hex()}".encode()


def survivors_content(session: str, survivors: list[str]) -> bytes:
    """Return what a member signs before it reveals shares."""
    return "\n".join(["survivors", session, *sorted(survivors)]).encode()


def mask_sign(name: str, other: str) -> int:
    """Return the sign with which `name` adds the mask that it shares with `other`."""
    return 1 if name < other else -1


class SumMember:
    """Answers the five steps of one sum. Raises ContractError for a request that a correct coordinator never makes."""

    def __init__(
        self,
        name: str,
        identity: Ed25519PrivateKey,
        members: keys.Members,
        policy: SumPolicy,
        session: str,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Take the list of members, as this member knows it."""
        self.name, self.identity, self.members, self.policy = name, identity, members, policy
        self.session, self.entropy = session, entropy
        self.sealing, self.masking, self.own = (entropy(keys.SEED_BYTES) for _ in range(3))
        self.done = 0  # steps

    def advertise(self) -> PublicKeys:
        """Return new public keys, signed."""
        self._begin("keys")
        sealing, masking = keys.public_bytes(self.sealing), keys.public_bytes(self.masking)
        content = keys_content(self.session, self.name, sealing, masking)
        self.advertised = PublicKeys(sealing, masking, self.identity.sign(content))
        return self.advertised

    def share_seeds(self, listed: Mapping[str, PublicKeys]) -> tuple[dict[str, bytes], bytes]:
        """Return sealed shares of both seeds for each listed member, and the SHA-256 of the own mask's seed.

        Refuses keys that a member of the shop's list did not sign.
        """
        self._begin("shares")
        if listed.get(self.name) != self.advertised:
            raise self._refusal("the keys that are listed for this member are not those that it advertised")
        for name, key in listed.items():
            content = keys_content(self.session, name, key.sealing, key.masking)
            if name not in self.members or not keys.is_signed(self.members[name], key.signature, content):
                raise self._refusal(f"the keys of {name!r} are not signed by a member")
        self.listed = dict(sorted(listed.items()))
        self.needed = self.policy.count_needed(len(listed))
        if len(listed) < self.needed:
            raise self._refusal(f"expected keys of {self.needed} or more members, got {len(listed)}")
        both = [keys.split_seed(seed, self.needed, len(listed)) for seed in (self.masking, self.own)]
        sealed = {}
        for name, of_masking, of_own in zip(self.listed, *both, strict=True):
            sealing_key, nonce = self._sealing_key(name, self.name, name), self.entropy(keys.NONCE_BYTES)
            sealed[name] = keys.seal(sealing_key, nonce, of_masking + of_own, self._context(self.name, name))
        return sealed, hashlib.sha256(self.own).digest()

    def mask(self, sealed: Mapping[str, bytes], compute: Callable[[], NDArray[np.float64]]) -> Words:
        """Return the computed values with the own mask and one for each member that has shared its seeds.

        Refuses, before it computes, where fewer than needed have shared, or shares are not authentic.
        """
        self._begin("masked")
        if not set(sealed) <= set(self.listed) or self.name not in sealed or len(sealed) < self.needed:
            raise self._refusal(f"expected shares of {self.needed} or more listed members, got {len(sealed)}")
        self.shares = {
            name: keys.unseal(self._sealing_key(name, name, self.name), content, self._context(name, self.name))
            for name, content in sealed.items()
        }
        total = encode(compute(), len(self.listed))
        keys.add_mask(total, keys.derive(self.own, f"own {self.session}"), 1)
        for name in sealed:
            if name != self.name:
                mask_key = keys.agree(self.masking, self.listed[name].masking, f"mask {self.session}")
                keys.add_mask(total, mask_key, mask_sign(self.name, name))
        return total

    def confirm(self, survivors: list[str]) -> bytes:
        """Return the signature of the list of those whose masked values are summed."""
        self._begin("confirm")
        if len(set(survivors)) != len(survivors) or not set(survivors) <= set(self.shares):
            raise self._refusal("the list of survivors names members that have not shared their seeds")
        if self.name not in survivors or len(survivors) < self.needed:
            raise self._refusal(f"expected {self.needed} or more survivors with this member, got {len(survivors)}")
        self.survivors = sorted(survivors)
        return self.identity.sign(survivors_content(self.session, self.survivors))

    def reveal(self, signatures: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Return shares of the survivors' own masks, and shares of the masking seeds of those that dropped out.

        Of one member this gives one kind or the other, never both, and once. Refuses unless enough survivors have
        signed the same list: else a coordinator could show different lists to different members.
        """
        self._begin("unmask")
        content = survivors_content(self.session, self.survivors)
        signed = [
            name
            for name, signature in signatures.items()
            if name in self.survivors and keys.is_signed(self.members[name], signature, content)
        ]
        if len(signed) < self.needed:
            raise self._refusal(f"expected {self.needed} or more signatures of the same survivors, got {len(signed)}")
        size = keys.SEED_BYTES
        own = {name: self.shares[name][size:] for name in self.survivors}
        dropped = {name: self.shares[name][:size] for name in self.shares if name not in self.survivors}
        self.shares = {}
        return own, dropped

    def _begin(self, step: str) -> None:
        if self.done >= len(STEPS) or STEPS[self.done] != step:
            raise self._refusal(f"step {step!r} is out of order, or was asked for twice")
        self.done += 1

    def _sealing_key(self, other: str, sender: str, receiver: str) -> bytes:
        return keys.agree(self.sealing, self.listed[other].sealing, f"seal {self._context(sender, receiver)}")

    def _context(self, sender: str, receiver: str) -> str:
        return f"{self.session} from {sender} to {receiver}"

    def _refusal(self, reason: str) -> ContractError:
        self.done = len(STEPS)
        return ContractError(f"secure sum {self.session}: refused: {reason}; no further step of this sum is answered")
