import stat
from pathlib import Path

import numpy as np
import pytest

from components.errors import ContractError
from components.federated import keys


def test_two_members_derive_the_same_mask_and_a_third_another() -> None:
    seeds = [bytes([n]) * 16 for n in range(3)]
    first = keys.agree(seeds[0], keys.public_bytes(seeds[1]), "mask s")
    assert first == keys.agree(seeds[1], keys.public_bytes(seeds[0]), "mask s")
    assert first != keys.agree(seeds[1], keys.public_bytes(seeds[0]), "mask t")
    assert first != keys.agree(seeds[2], keys.public_bytes(seeds[0]), "mask s")
    with pytest.raises(ContractError, match="not a public key"):
        keys.agree(seeds[0], bytes(32), "mask s")


def test_a_mask_is_the_keystream_of_chacha20_and_is_taken_back_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "BLOCK", 3)
    total = np.zeros(8, np.uint64)
    keys.add_mask(total, bytes(32), 1)
    # RFC 8439, appendix A.1, test vector 1: key, counter and nonce are zero
    assert (
        total.astype("<u8").tobytes()[:32].hex() == "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
    )
    keys.add_mask(total, bytes(32), -1)
    assert not total.any()


def test_enough_shares_restore_a_seed_and_fewer_do_not() -> None:
    seed = bytes(range(16))
    shares = dict(enumerate(keys.split_seed(seed, 3, 5), start=1))
    assert keys.join_seed({n: shares[n] for n in (5, 2, 4)}, 3) == seed
    assert keys.join_seed(shares, 3) == seed
    assert keys.join_seed({n: shares[n] for n in (5, 2)}, 2) != seed


def test_sealed_shares_open_in_their_context_alone() -> None:
    key = bytes(32)
    sealed = keys.seal(key, bytes(12), b"share", "a to b")
    assert keys.unseal(key, sealed, "a to b") == b"share"
    for wrong in (
        (key, sealed, "a to c"),
        (bytes([1]) * 32, sealed, "a to b"),
        (key, sealed[:-1], "a to b"),
        (key, b"", ""),
    ):
        with pytest.raises(ContractError, match="not authentic"):
            keys.unseal(*wrong)


def test_an_identity_is_private_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "identity.pem"
    public = keys.write_identity(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    member = keys.parse_members({"shop": public})["shop"]
    signature = keys.read_identity(path).sign(b"content")
    assert keys.is_signed(member, signature, b"content")
    assert not keys.is_signed(member, signature, b"another")
    with pytest.raises(ContractError, match="exists"):
        keys.write_identity(path)


def test_wrong_keys_and_members_are_named(tmp_path: Path) -> None:
    (tmp_path / "wrong.pem").write_text("no key")
    for name in ("wrong.pem", "absent.pem"):
        with pytest.raises(ContractError, match="carousel federated key"):
            keys.read_identity(tmp_path / name)
    with pytest.raises(ContractError, match="64 hex digits"):
        keys.parse_members({"shop": "xyz"})
    with pytest.raises(ContractError, match="same public key"):
        keys.parse_members({"a": "11" * 32, "b": "11" * 32})
