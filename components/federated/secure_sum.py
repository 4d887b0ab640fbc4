"""The coordinator's part in a secure sum: it learns the sum of the members' values, and who took part.

Source: Bonawitz et al. 2017, figure 4.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from components.errors import ContractError
from components.federated import keys
from components.federated.fixed_point import Words, decode
from components.federated.messages import Channel, Message
from components.federated.sum_member import PublicKeys, SumPolicy, mask_sign

log = logging.getLogger("federated")
T = TypeVar("T")


@dataclass(frozen=True)
class SumPlan:
    """One sum: its name, what is summed, and when it fails."""

    session: str
    request: Message  # what members need to compute their values
    size: int  # values
    policy: SumPolicy


@dataclass(frozen=True)
class SumOutcome:
    """A sum and the members whose values are in it."""

    total: NDArray[np.float64]
    summed: tuple[str, ...]


def secure_sum(channel: Channel, plan: SumPlan, names: Sequence[str]) -> SumOutcome:
    """Return the sum of the values of those that answer; raises ContractError where too few do.

    A member that drops out before it sends masked values is not in the sum; later it is.
    """
    start = Message({"session": plan.session, **plan.request.fields}, plan.request.arrays)
    advertised = _read(channel.ask("keys", dict.fromkeys(names, start)), _public_keys)
    needed = plan.policy.count_needed(len(advertised))
    _require(plan, "keys", len(advertised), needed)
    listing = Message({"keys": {name: [part.hex() for part in own] for name, own in advertised.items()}})
    shared = _read(channel.ask("shares", dict.fromkeys(advertised, listing)), _sealed_shares)
    shared = {name: own for name, own in shared.items() if set(own[0]) == set(advertised)}
    _require(plan, "shares", len(shared), needed)
    sealed = {
        name: Message({"shares": {sender: own[0][name].hex() for sender, own in shared.items()}}) for name in shared
    }
    masked = _read(channel.ask("masked", sealed), lambda answer: answer.array("masked", np.uint64, plan.size))
    _require(plan, "masked values", len(masked), needed)
    survivors = sorted(masked)
    signed = channel.ask("confirm", dict.fromkeys(survivors, Message({"survivors": survivors})))
    signatures = _read(signed, lambda answer: answer.get("signature", str))
    _require(plan, "signatures", len(signatures), needed)
    reveal = Message({"signatures": signatures})
    revealed = _read(channel.ask("unmask", dict.fromkeys(signatures, reveal)), _revealed_shares)
    _require(plan, "shares of masks", len(revealed), needed)
    total: Words = np.zeros(plan.size, np.uint64)
    for words in masked.values():
        total += words
    number = {name: i for i, name in enumerate(sorted(advertised), start=1)}

    def restore(owner: str, kind: int) -> bytes:
        shares = {number[name]: own[kind][owner] for name, own in revealed.items() if owner in own[kind]}
        _require(plan, f"shares of {owner}", len(shares), needed)
        return keys.join_seed(shares, needed)

    for name in survivors:
        own = restore(name, 0)
        if hashlib.sha256(own).digest() != shared[name][1]:
            raise _wrong_shares(plan.session, name)
        keys.add_mask(total, keys.derive(own, f"own {plan.session}"), -1)
    for name in sorted(set(shared) - set(survivors)):
        _remove_pair_masks(total, plan.session, name, restore(name, 1), {n: advertised[n] for n in (name, *survivors)})
    return SumOutcome(decode(total), tuple(survivors))


def _remove_pair_masks(
    total: Words, session: str, name: str, seed: bytes, advertised: Mapping[str, PublicKeys]
) -> None:
    """Take out of the total what the survivors added for the masks that they share with one that dropped out."""
    if keys.public_bytes(seed) != advertised[name].masking:
        raise _wrong_shares(session, name)
    for survivor, public in advertised.items():
        if survivor != name:
            key = keys.agree(seed, public.masking, f"mask {session}")
            keys.add_mask(total, key, -mask_sign(survivor, name))


def _wrong_shares(session: str, name: str) -> ContractError:
    return ContractError(
        f"secure sum {session}: the shares of {name} do not restore its seed: a member gave wrong ones; "
        "nothing was learned; find and remove that member, and sum again"
    )


def _public_keys(answer: Message) -> PublicKeys:
    sealing, masking, signature = (bytes.fromhex(part) for part in answer.get("keys", list))
    return PublicKeys(sealing, masking, signature)


def _sealed_shares(answer: Message) -> tuple[dict[str, bytes], bytes]:
    return answer.hexes("shares"), bytes.fromhex(answer.get("commitment", str))


def _revealed_shares(answer: Message) -> tuple[dict[str, bytes], dict[str, bytes]]:
    return answer.hexes("own"), answer.hexes("dropped")


def _read(answers: Mapping[str, Message], parse: Callable[[Message], T]) -> dict[str, T]:
    """Return what the answers say; a member whose answer cannot be read counts as one that dropped out."""
    found = {}
    for name, answer in answers.items():
        try:
            found[name] = parse(answer)
        except (ContractError, ValueError, TypeError) as error:
            log.warning("answer of %s is left out: %s", name, error)
    return found


def _require(plan: SumPlan, what: str, n: int, needed: int) -> None:
    if n < needed:
        raise ContractError(
            f"secure sum {plan.session}: expected {what} of {needed} members or more, got {n}; "
            "nothing was learned; wait for more members, or lower federated.min_clients or federated.threshold"
        )
