import numpy as np
import pytest

from components.errors import ContractError
from components.federated.messages import Message


def test_a_message_is_read_back() -> None:
    message = Message({"session": "a", "keys": {"x": "00ff"}}, {"masked": np.array([2**64 - 1, 3], np.uint64)})
    found = Message.unpack(message.pack())
    assert found.fields == message.fields
    assert found.array("masked", np.uint64, 2).tolist() == [2**64 - 1, 3]
    assert found.hexes("keys") == {"x": b"\x00\xff"}
    assert Message.unpack(Message().pack()) == Message()


@pytest.mark.parametrize("content", [b"", b"{}", b"\x02" + bytes(7) + b"{}", bytes(100)])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ContractError, match="not a message"):
        Message.unpack(content)


def test_wrong_fields_and_arrays_are_named() -> None:
    message = Message({"n": True, "keys": {"x": "0g"}}, {"masked": np.zeros((2, 2), np.uint64)})
    with pytest.raises(ContractError, match="field 'n' of type int"):
        message.get("n", int)
    with pytest.raises(ContractError, match="not bytes in hex"):
        message.hexes("keys")
    for name, dtype, size in (("masked", np.uint64, 4), ("absent", np.uint64, None)):
        with pytest.raises(ContractError, match=f"expected array '{name}'"):
            message.array(name, dtype, size)
