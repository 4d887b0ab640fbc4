"""Continued pretraining on the shop's texts: new words, masked or next tokens, and pairs of related texts."""

from __future__ import annotations

import hashlib
import logging
import math
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.curves import write_curves
from components.errors import ContractError
from components.faults import crash_point
from components.language.backbone import Backbone, read_backbone, write_backbone
from components.language.checkpoint import PretrainProgress, read_checkpoint, write_checkpoint
from components.language.corpus import Corpus, Pairs
from components.language.encoder import Encoder
from components.language.lora import add_lora, merge_lora
from components.language.objectives import (
    Rows,
    embed,
    language_loss,
    make_lm_batch,
    pair_loss,
    perplexity,
    shared_texts,
    tokenise,
)
from components.language.precision import chosen_precision
from components.language.vocabulary import extend_vocabulary
from components.params import LanguageParams, PretrainParams
from components.reproducible import reproducible
from components.unfinished import Unfinished

log = logging.getLogger("pretrain")
LOG_EVERY = 20  # steps
PERPLEXITY_BATCH = 16  # texts at once


@dataclass(frozen=True)
class Pretrained:
    """The result of a pretraining: flat metrics, and curves by step."""

    metrics: dict[str, float]
    curves: dict[str, list[float]]
    unfinished: Unfinished | None  # the mark of a run that language.pretrain.max_minutes stopped


def pretrain(original: Path, corpus: Corpus, language: LanguageParams, seed: int, out: Path, work: Path) -> Pretrained:
    """Write the adapted model to the folder `out`; one that goes on from the checkpoint in `work` ends equal.

    Raises ContractError when the loss is not finite, or the device's memory is too small.
    """
    with reproducible(language.threads):
        return _pretrain(original, corpus, language, seed, out, work)


def _pretrain(original: Path, corpus: Corpus, language: LanguageParams, seed: int, out: Path, work: Path) -> Pretrained:
    params = language.pretrain
    device = "cuda" if torch.cuda.is_available() else "cpu"
    backbone = read_backbone(original, seed)
    backbone.precision = chosen_precision(language.precision)
    metrics = extend_vocabulary(backbone.tokenizer, backbone.model, corpus, params, seed)
    run = PretrainRun(backbone, corpus, language, seed, device)
    learned = run.prepare_weights(int(metrics["vocabulary/new"]))
    try:
        progress = run.train(learned, work, _run_key(original, corpus, language, seed))
    except torch.OutOfMemoryError as error:
        raise ContractError(
            f"pretraining: out of memory on the device; lower language.pretrain.pairs_per_step ({error})"
        ) from None
    merge_lora(backbone.model)
    after = run.held_out_perplexity()
    backbone.model.to("cpu")
    write_backbone(backbone, original, out)
    metrics |= {"perplexity/before": progress.before, "perplexity/after": after, "steps": float(progress.step)}
    metrics |= {"head_is_new": float(backbone.head_is_new), "texts/held_out": float(len(corpus.held_out))}
    metrics |= {f"pairs/{kind}": float(len(rows)) for kind, rows in corpus.pairs.items()}
    metrics |= {"texts": float(len(corpus.language)), "unfinished": float(not progress.done)}
    return Pretrained(metrics, progress.curves, None if progress.done else _mark(params, progress.step))


class PretrainRun:
    """The training loop; the random numbers of a step depend on (seed, step) alone."""

    def __init__(self, backbone: Backbone, corpus: Corpus, language: LanguageParams, seed: int, device: str) -> None:
        self.backbone, self.corpus, self.seed, self.device = backbone, corpus, seed, device
        self.params = language.pretrain
        self.max_tokens = language.max_tokens
        backbone.model.to(device)

    def prepare_weights(self, added: int) -> dict[str, Tensor]:
        """Return the weights to train: all, or with LoRA the low-rank matrices, the head and the rows of new words."""
        model = self.backbone.model
        if self.params.method == "lora":
            layers = add_lora(model.base_model, self.params.lora_rank, self.params.lora_alpha, self.seed)
            log.info("LoRA on %d layers", layers)
            model.to(self.device)
            words = model.get_input_embeddings().weight
            if added:
                words.requires_grad_(True)
                words.register_hook(lambda gradient: _zero_before(gradient, len(self.backbone.tokenizer) - added))
        return {name: w for name, w in model.named_parameters() if w.requires_grad}

    def train(self, learned: dict[str, Tensor], work: Path, key: str) -> PretrainProgress:
        """Run the remaining steps, with a checkpoint every checkpoint_every_steps and at max_minutes."""
        params, started = self.params, time.monotonic()
        decay = (
            params.weight_decay if params.method == "full" else 0.0
        )  # it would change embedding rows that are not trained
        optimizer = torch.optim.AdamW(learned.values(), lr=params.learning_rate, weight_decay=decay, fused=True)
        progress = read_checkpoint(work, key, learned, optimizer)
        if progress.step:
            log.info("resumed at step %d", progress.step)
        else:
            progress.before = self.held_out_perplexity()
        steps = range(progress.step, 0 if progress.done else params.max_steps)
        for step in _with_progress(steps):
            self._step(step, learned, optimizer, progress)
            progress.step = step + 1
            if progress.step % LOG_EVERY == 0:
                write_curves(work, progress.curves)
            progress.done = progress.step == params.max_steps
            late = not progress.done and time.monotonic() - started > params.max_minutes * 60
            if progress.done or late or progress.step % params.checkpoint_every_steps == 0:
                write_checkpoint(work, learned, optimizer, progress)
                crash_point("pretrain:step")
            if late:
                log.warning("%s", _mark(params, progress.step))
                break
        progress.done = progress.done or not len(steps)
        return progress

    def held_out_perplexity(self) -> float:
        """Return the (pseudo-)perplexity of the held-out texts; NaN without any."""
        rows = self._rows(self.corpus.held_out[: self.params.held_out_texts])
        return perplexity(self.backbone, rows, self.params.mask_share, self.seed, PERPLEXITY_BATCH, self.device)

    def _step(self, step: int, learned: dict[str, Tensor], optimizer: Any, progress: PretrainProgress) -> None:
        rng = np.random.default_rng([self.seed, step])
        torch.manual_seed((self.seed * 1_000_003 + step) % 2**63)  # dropout
        self.backbone.model.train()
        losses = {"train/language": self._language_loss(rng), "train/pairs": self._pair_loss(rng)}
        loss = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(loss):
            raise ContractError(
                f"pretraining: expected a finite loss, got {loss.item()} at step {step}; lower "
                "language.pretrain.learning_rate"
            )
        for group in optimizer.param_groups:
            group["lr"] = self.params.learning_rate * _lr_multiplier(step, self.params)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(list(learned.values()), self.params.gradient_clip)
        optimizer.step()
        for name, value in losses.items():
            progress.curves.setdefault(name, []).append(float(value.detach()))
        if (step + 1) % LOG_EVERY == 0:
            means = ", ".join(f"{n} {np.mean(v[-LOG_EVERY:]):.3f}" for n, v in progress.curves.items())
            log.info("step %d of %d: %s", step + 1, self.params.max_steps, means)

    def _language_loss(self, rng: np.random.Generator) -> Tensor:
        """Return the mean cross-entropy of the predicted tokens of texts_per_step texts."""
        if not self.params.texts_per_step or not len(self.corpus.language):
            return torch.zeros((), device=self.device)
        drawn = rng.choice(self.corpus.language, self.params.texts_per_step)
        batch = make_lm_batch(self.backbone, self._rows(drawn), self.params.mask_share, rng, self.device)
        total, n = language_loss(self.backbone, batch)
        return total / max(1, n)

    def _pair_loss(self, rng: np.random.Generator) -> Tensor:
        """Return InfoNCE over pairs_per_step pairs; all kinds of pairs are equally likely."""
        kinds = sorted(self.corpus.pairs)
        if not self.params.pairs_per_step or not kinds:
            return torch.zeros((), device=self.device)
        kind = rng.integers(len(kinds), size=self.params.pairs_per_step)
        drawn = np.stack([rng.choice(self.corpus.pairs[kinds[k]]) for k in kind])  # (pairs, 2)
        rows = self._rows(drawn.T.ravel())  # all left sides, then all right sides
        left, right = embed(self.backbone, rows, self.device).chunk(2)
        return pair_loss(left, right, shared_texts(drawn).to(self.device), self.params.temperature)

    def _rows(self, texts: Pairs) -> Rows:
        """Return the tokens of the texts with these indices; most texts of a large corpus are never drawn."""
        return tokenise(self.backbone.tokenizer, [self.corpus.texts[i] for i in texts], self.max_tokens)


def _lr_multiplier(step: int, params: PretrainParams) -> float:
    """Return the factor of the learning rate at a step: linear warm-up over warmup_share, then cosine decay to zero."""
    warm = max(1, int(params.warmup_share * params.max_steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, params.max_steps - warm)))


def _zero_before(gradient: Tensor, start: int) -> Tensor:
    masked = gradient.clone()
    masked[:start] = 0
    return masked


def _mark(params: PretrainParams, step: int) -> Unfinished:
    return Unfinished(
        model="the language model",
        limit="language.pretrain.max_minutes",
        minutes=params.max_minutes,
        step=step,
        steps=params.max_steps,
    )


def _run_key(original: Path, corpus: Corpus, language: LanguageParams, seed: int) -> str:
    settings = language.pretrain.model_dump_json(exclude={"max_minutes", "checkpoint_every_steps"})  # change no step
    settings += chosen_precision(language.precision)
    digest = hashlib.sha256(f"{Encoder(original, language).digest}{settings}{seed}{torch.__version__}".encode())
    for text in corpus.texts:
        digest.update(text.encode("utf-8", "replace") + b"\0")
    for rows in (corpus.language, corpus.held_out, *(corpus.pairs[k] for k in sorted(corpus.pairs))):
        digest.update(rows.tobytes() + b"\0")
    return digest.hexdigest()


def _with_progress(steps: range) -> Iterable[int]:
    if not sys.stderr.isatty():
        return steps
    from rich.progress import track

    return track(steps, "pretraining")
