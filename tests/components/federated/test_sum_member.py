"""What a member refuses: requests that a correct coordinator never makes."""

from collections.abc import Callable

import numpy as np
import pytest

from components.errors import ContractError
from components.federated.answers import MemberAnswers
from components.federated.messages import Message
from components.federated.sum_member import SumPolicy
from tests.components.federated.support import LocalChannel, make_members

NAMES = [f"shop-{n}" for n in range(5)]


def run_until(step: str, members: dict[str, MemberAnswers]) -> tuple[LocalChannel, dict[str, Message]]:
    """Follow the protocol up to this step; return the channel and the requests of the step."""
    channel = LocalChannel(members)
    keys = channel.ask("keys", dict.fromkeys(NAMES, Message({"session": "run/1"})))
    requests = {"shares": dict.fromkeys(NAMES, Message({"keys": {n: a.fields["keys"] for n, a in keys.items()}}))}
    if step == "shares":
        return channel, requests["shares"]
    shares = channel.ask("shares", requests["shares"])
    sealed = {n: Message({"shares": {s: a.fields["shares"][n] for s, a in shares.items()}}) for n in NAMES}
    if step == "masked":
        return channel, sealed
    channel.ask("masked", sealed)
    return channel, dict.fromkeys(NAMES, Message({"survivors": NAMES}))


@pytest.fixture
def members() -> dict[str, MemberAnswers]:
    return make_members({name: np.arange(3.0) for name in NAMES})


def refuse(member: MemberAnswers, step: str, message: Message, match: str) -> None:
    with pytest.raises(ContractError, match=match):
        member.answer(step, message)


def test_a_coordinator_that_asks_for_both_kinds_of_shares_of_one_member_is_refused(
    members: dict[str, MemberAnswers],
) -> None:
    """shop-4 survived: its own mask's shares are given. Shares of its masking seed then are not, whatever is asked."""
    channel, confirm = run_until("confirm", members)
    signatures = {n: a.fields["signature"] for n, a in channel.ask("confirm", confirm).items()}
    given = members["shop-0"].answer("unmask", Message({"signatures": signatures}))
    assert set(given.fields["own"]) == set(NAMES)
    assert given.fields["dropped"] == {}
    refuse(members["shop-0"], "unmask", Message({"signatures": signatures}), "asked for twice")
    refuse(members["shop-0"], "confirm", Message({"survivors": NAMES[:4]}), "asked for twice")
    refuse(members["shop-0"], "keys", Message({"session": "run/1"}), "a session is answered once")


@pytest.mark.parametrize("shown", [3, 2])
def test_a_coordinator_that_shows_different_survivors_to_different_members_gets_one_kind_of_share(
    members: dict[str, MemberAnswers], shown: int
) -> None:
    """shop-0 survived for the first members, for the others it did not: these give no share of its masking seed.

    One list at most has the signatures of more than half; where 3 of 5 are needed and 2 signed, none is given at all.
    """
    channel, _ = run_until("confirm", members)
    lists = {n: Message({"survivors": NAMES if n in NAMES[:shown] else NAMES[1:]}) for n in NAMES}
    signatures = {n: a.fields["signature"] for n, a in channel.ask("confirm", lists).items()}
    if shown == 2:
        del signatures["shop-4"]
    for name in NAMES[:shown]:
        if shown == 2:
            refuse(members[name], "unmask", Message({"signatures": signatures}), "3 or more signatures .* got 2")
        else:
            assert members[name].answer("unmask", Message({"signatures": signatures})).fields["dropped"] == {}
    for name in NAMES[shown:]:
        refuse(members[name], "unmask", Message({"signatures": signatures}), "3 or more signatures .* got 2")


def shares_of_a_stranger(keys: dict[str, list[str]]) -> dict[str, list[str]]:
    return keys | {"stranger": keys["shop-1"]}


def keys_of_another(keys: dict[str, list[str]]) -> dict[str, list[str]]:
    return keys | {"shop-1": [keys["shop-2"][0], keys["shop-2"][1], keys["shop-1"][2]]}


def own_keys_replaced(keys: dict[str, list[str]]) -> dict[str, list[str]]:
    return keys | {"shop-0": keys["shop-1"]}


@pytest.mark.parametrize("change", [shares_of_a_stranger, keys_of_another, own_keys_replaced])
def test_keys_that_no_member_signed_are_refused(
    members: dict[str, MemberAnswers], change: Callable[[dict[str, list[str]]], dict[str, list[str]]]
) -> None:
    """Else the coordinator could play all other members, and know their masks."""
    _, requests = run_until("shares", members)
    keys = change(requests["shop-0"].fields["keys"])
    refuse(members["shop-0"], "shares", Message({"keys": keys}), "signed by a member|that it advertised")


def test_a_sum_of_one_member_is_refused(members: dict[str, MemberAnswers]) -> None:
    _, requests = run_until("shares", members)
    own = {"shop-0": requests["shop-0"].fields["keys"]["shop-0"]}
    refuse(members["shop-0"], "shares", Message({"keys": own}), "keys of 2 or more members, got 1")


def test_changed_shares_are_refused_before_anything_is_computed(members: dict[str, MemberAnswers]) -> None:
    _, sealed = run_until("masked", members)
    shares = sealed["shop-0"].fields["shares"]
    for wrong in (shares | {"shop-1": shares["shop-2"]}, shares | {"shop-1": "00"}):
        members["shop-0"].current.done = 2  # type: ignore[union-attr] - the step is asked for anew
        members["shop-0"].compute = lambda _: pytest.fail("computed")
        refuse(members["shop-0"], "masked", Message({"shares": wrong}), "not authentic")
    members["shop-1"].compute = lambda _: pytest.fail("computed")
    few = dict(list(sealed["shop-1"].fields["shares"].items())[:2])
    refuse(members["shop-1"], "masked", Message({"shares": few}), "expected shares of 3 or more")


@pytest.mark.parametrize("survivors", [NAMES[1:], NAMES[:2], [*NAMES, "stranger"], [*NAMES, "shop-1"]])
def test_wrong_survivors_are_refused(members: dict[str, MemberAnswers], survivors: list[str]) -> None:
    run_until("confirm", members)
    refuse(members["shop-0"], "confirm", Message({"survivors": survivors}), "survivors")
    refuse(members["shop-0"], "confirm", Message({"survivors": NAMES}), "asked for twice")


@pytest.mark.parametrize(
    ("n", "share", "needed"), [(10, 0.6, 6), (10, 0.51, 6), (5, 0.6, 3), (3, 0.6, 2), (100, 0.667, 67), (4, 1, 4)]
)
def test_more_than_half_of_the_members_are_needed(n: int, share: float, needed: int) -> None:
    assert SumPolicy(share, 2).count_needed(n) == needed
    assert SumPolicy(share, 7).count_needed(n) == max(7, needed)
