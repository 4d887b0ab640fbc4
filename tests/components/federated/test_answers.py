"""Requests that no step of a sum understands, and steps out of order."""

import pytest

from components.errors import ContractError
from components.federated.answers import MemberAnswers
from components.federated.messages import Message
from tests.components.federated.test_sum_member import NAMES, members, refuse, run_until

__all__ = ["members"]  # a fixture


def test_steps_out_of_order_are_refused(members: dict[str, MemberAnswers]) -> None:
    refuse(members["shop-0"], "unmask", Message({"signatures": {}}), "before step 'keys'")
    run_until("shares", members)
    refuse(members["shop-0"], "confirm", Message({"survivors": NAMES}), "out of order")
    refuse(members["shop-1"], "steal", Message(), "unknown step")


def test_a_session_is_answered_once_and_damaged_requests_are_named(members: dict[str, MemberAnswers]) -> None:
    member = members["shop-0"]
    first = member.answer("keys", Message({"session": "run/1"}))
    assert first.fields["keys"] != member.answer("keys", Message({"session": "run/2"})).fields["keys"]
    for fields in ({"keys": {"shop-0": ["00"]}}, {"keys": {"shop-0": "zz"}}, {"keys": {"shop-0": None}}):
        with pytest.raises(ContractError, match="not three values in hex by name"):
            member.answer("shares", Message(fields))
    refuse(member, "keys", Message({"session": "run/1"}), "a session is answered once")
