"""Random numbers that nobody can predict without the shop's secret, and that a killed run draws again.

They are a function of the secret, of all that is learned from, and of the step: a resumed run adds the noise that it
had added, and other data get other noise. AES-256 in counter mode makes the bits.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

KEY_FILE = "noise.key"  # in the folder of a shop
VARIABLE = "CAROUSEL_NOISE_KEY"


class NoiseSource:
    """Random numbers for one training."""

    def __init__(self, secret: bytes, about: bytes) -> None:
        """about: a digest of everything that the training depends on."""
        self._key = hmac.new(secret, about, sha256).digest()

    def seed(self, purpose: str, step: int = 0) -> int:
        """Return a seed in 0..2^63 - 1 for generators of others, such as that of dropout."""
        return int.from_bytes(self._derive(purpose, step)[:8], "big") >> 1

    def uniform(self, purpose: str, step: int, n: int) -> NDArray[np.float64]:
        """Return (n,) numbers in (0, 1)."""
        cipher = Cipher(algorithms.AES(self._derive(purpose, step)), modes.CTR(bytes(16))).encryptor()
        bits = np.frombuffer(cipher.update(bytes(8 * n)), np.uint64) >> np.uint64(11)
        numbers: NDArray[np.float64] = (bits.astype(np.float64) + 0.5) / 2.0**53
        return numbers

    def normal(self, purpose: str, step: int, n: int) -> NDArray[np.float64]:
        """Return (n,) numbers of the standard normal distribution."""
        from scipy.special import ndtri

        found: NDArray[np.float64] = ndtri(self.uniform(purpose, step, n))
        return found

    def _derive(self, purpose: str, step: int) -> bytes:
        return hmac.new(self._key, f"{purpose}/{step}".encode(), sha256).digest()
