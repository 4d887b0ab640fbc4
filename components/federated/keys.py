"""Keys, masks and shares of the secure sum; the algorithms are those of `cryptography` and PyCryptodome.

X25519 and HKDF-SHA256   a key that two members share, from the public key of one and the seed of the other
ChaCha20                 expands a key to a mask
ChaCha20-Poly1305        seals shares, which the coordinator passes on
Shamir over GF(2^128)    splits seeds of 16 bytes; a private key of X25519 is derived from its seed
Ed25519                  the identity of a member: signs requests, keys and the list of survivors
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from Crypto.Protocol.SecretSharing import Shamir
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from components.errors import ContractError
from components.federated.fixed_point import Words
from components.private import make_folder, private_opener

SEED_BYTES, NONCE_BYTES = 16, 12
BLOCK = 2**20  # words of a mask in memory at once
Members = Mapping[str, Ed25519PublicKey]


def derive(secret: bytes, purpose: str) -> bytes:
    """Return a key of 32 bytes for this purpose."""
    return HKDF(hashes.SHA256(), 32, salt=None, info=f"carousel federated {purpose}".encode()).derive(secret)


def key_of(seed: bytes) -> X25519PrivateKey:
    """Return the private key of a seed."""
    return X25519PrivateKey.from_private_bytes(derive(seed, "key"))


def public_bytes(seed: bytes) -> bytes:
    """Return the public key of a seed, 32 bytes."""
    return key_of(seed).public_key().public_bytes_raw()


def agree(seed: bytes, public: bytes, purpose: str) -> bytes:
    """Return the key that both owners derive for the purpose; raises ContractError for an invalid public key."""
    try:
        return derive(key_of(seed).exchange(X25519PublicKey.from_public_bytes(public)), purpose)
    except ValueError as error:
        raise ContractError(f"secure sum: not a public key of X25519 ({error}); the sum is left") from None


def add_mask(total: Words, key: bytes, sign: int) -> None:
    """Add the mask of the key to the total, in place and modulo 2^64; with sign -1, subtract it.

    A key makes one mask: so the nonce may be zero.
    """
    stream = Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor()
    for at in range(0, len(total), BLOCK):
        part = total[at : at + BLOCK]
        mask = np.frombuffer(stream.update(bytes(8 * len(part))), "<u8")
        if sign > 0:
            part += mask
        else:
            part -= mask


def seal(key: bytes, nonce: bytes, content: bytes, context: str) -> bytes:
    """Return the nonce and the encrypted content, bound to the context."""
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, content, context.encode())


def unseal(key: bytes, sealed: bytes, context: str) -> bytes:
    """Return what was sealed; raises ContractError where key or context are others, or the bytes were changed."""
    try:
        return ChaCha20Poly1305(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError):
        raise ContractError(f"secure sum: the shares of {context} are not authentic; the sum is left") from None


def split_seed(seed: bytes, threshold: int, n: int) -> list[bytes]:
    """Return n shares of the seed, numbered from 1; any `threshold` of them restore it, fewer say nothing of it."""
    return [share for _, share in Shamir.split(threshold, n, seed, ssss=False)]


def join_seed(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """Return the seed of at least `threshold` shares, by their numbers from 1."""
    chosen = sorted(shares.items())[:threshold]
    return bytes(Shamir.combine(chosen, ssss=False))


def is_signed(member: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    """Return whether the member signed the content."""
    try:
        member.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def write_identity(path: Path) -> str:
    """Write a new identity key that only its owner may read; return the public key as hex.

    Raises ContractError where the file exists: a member's identity is never replaced by accident.
    """
    identity = Ed25519PrivateKey.generate()
    pem = identity.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    make_folder(path.parent)
    try:
        with open(path, "xb", opener=private_opener) as file:
            file.write(pem)
    except FileExistsError:
        raise ContractError(f"{path}: exists; name another file, or remove it to get a new identity") from None
    return identity.public_key().public_bytes_raw().hex()


def read_identity(path: Path) -> Ed25519PrivateKey:
    """Return the identity key of the file; raises ContractError."""
    try:
        identity = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ContractError(f"{path}: no identity key ({error}); make one with `carousel federated key`") from None
    if not isinstance(identity, Ed25519PrivateKey):
        raise ContractError(f"{path}: expected an Ed25519 key; make one with `carousel federated key`")
    return identity


def parse_members(listed: Mapping[str, str]) -> Members:
    """Return the public keys by member from hex; raises ContractError."""
    try:
        members = {name: Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)) for name, key in listed.items()}
    except ValueError as error:
        raise ContractError(f"members: expected a name and a public key of 64 hex digits each ({error})") from None
    if len(set(listed.values())) < len(listed):
        raise ContractError("members: two members have the same public key; each needs its own")
    return members
