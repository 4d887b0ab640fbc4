"""A member without a coordinator, and one that the coordinator does not know. Answers are tested in test_hub.py."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.errors import ContractError
from components.federated.hub import Hub, serving_hub
from components.federated.member_client import MemberClient
from tests.components.federated.test_hub import KEYS, Echo


def test_a_member_gives_up_where_there_is_no_coordinator() -> None:
    with pytest.raises(ContractError, match=r"no answer of http://127\.0\.0\.1:1"):
        MemberClient("http://127.0.0.1:1", "fast", KEYS["fast"], 0.1).work(Echo("fast"))


def test_a_member_with_another_key_is_told_so() -> None:
    hub = Hub({"fast": KEYS["fast"].public_key()}, 1.0, 1000)
    with serving_hub(hub, "127.0.0.1", 0) as address:
        with pytest.raises(ContractError, match="answered 401 to fast: not a member's request"):
            MemberClient(address, "fast", Ed25519PrivateKey.generate(), 1).work(Echo("fast"))
        assert hub.present() == {}
