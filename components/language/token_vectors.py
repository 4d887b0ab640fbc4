"""Static encoder at work: a text is the normalised sum of its tokens' vectors; no network is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.contracts import FloatArray

STATIC = "carousel_static"  # key in config.json of a folder that holds one vector per token, and no network
VECTORS = "vectors"  # name of the tensor in model.safetensors: (tokens, dim) float16, weighted; special tokens are zero
BATCH = 1_024  # texts whose tokens are in memory at once


class TokenVectors:
    """The vectors of a static encoder, and its tokenizer. Memory: two bytes for each token and dimension."""

    def __init__(self, folder: Path, max_tokens: int) -> None:
        """Read model.safetensors and tokenizer.json of a folder that `compress.write_static` wrote."""
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_tokens)
        self.vectors: NDArray[np.float16] = load_file(folder / "model.safetensors")[VECTORS]

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return (n, dim) float32 unit rows; a text without a known token is a zero row.

        The row of a text does not depend on the texts beside it.
        """
        rows = np.zeros((len(texts), self.vectors.shape[1]), np.float32)
        for start in range(0, len(texts), BATCH):
            found = self.tokenizer.encode_batch(list(texts[start : start + BATCH]), add_special_tokens=False)
            lengths = np.array([len(one.ids) for one in found], np.int64)
            filled = np.flatnonzero(lengths)
            if not len(filled):
                continue
            tokens = np.concatenate([found[i].ids for i in filled])
            starts = np.cumsum(lengths[filled]) - lengths[filled]
            rows[start + filled] = np.add.reduceat(self.vectors[tokens].astype(np.float32), starts, axis=0)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: FloatArray = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
        return unit
