"""Training that protects users (DP-SGD): one gradient per user, clipped, and noise on their sum, at each step.

A user's example is the whole history. Steps, rate and noise are fixed before the first step, and no validation decides
when to stop. Samples, noise and dropout are functions of secret, data and step: a killed run goes on to the same
weights, and spends nothing twice.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from components.curves import write_curves
from components.errors import ContractError
from components.faults import crash_point
from components.params import PrivacyParams, SequenceParams, TrainerParams
from components.privacy.dp_sgd import ClippedGradients, PrivateSteps
from components.privacy.noise import NoiseSource
from components.recommenders.sequence.batching import SequenceLoader
from components.recommenders.sequence.checkpoint import TrainingProgress, read_state, write_state
from components.recommenders.sequence.ensemble import Ensemble
from components.recommenders.sequence.schedule import lr_multiplier
from components.unfinished import Unfinished

log = logging.getLogger("finetune")
NEGATIVES = 512  # items drawn for the softmax of one user: the cost of a user does not grow with the catalogue


@dataclass(frozen=True)
class PrivateTraining:
    """How the sequence model is to be trained with noise."""

    params: PrivacyParams
    secret: bytes  # see NoiseSource
    kinds: tuple[str, ...]  # events that are targets: the event heads are weighed alike, whatever users do


def private_architecture(params: SequenceParams) -> SequenceParams:
    """Return the parameters without what is computed from other users' events, or costs too much for each user."""
    softmax_items = min(params.softmax_items, NEGATIVES)
    return params.model_copy(update={"members": 1, "item_graph_neighbours": 0, "softmax_items": softmax_items})


def train_privately(
    net: Ensemble,
    loader: SequenceLoader,
    plan: PrivateSteps,
    trainer: TrainerParams,
    noise: NoiseSource,
    folder: Path,
    key: str,
    board: Path | None,
) -> tuple[dict[str, list[float]], Unfinished | None]:
    """Train `net` in place for the planned steps; return the curve, and a mark if trainer.max_minutes stopped it.

    The curve has the mean loss of each expected epoch; it is not protected. A killed run goes on from `folder`.
    """
    for member in net.nets:  # a vector for each item drowns in noise; texts and attributes carry all
        member.items.own.weight.requires_grad_(False)
    trained = [one for one in net.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=trainer.learning_rate, weight_decay=trainer.weight_decay)
    progress, started = read_state(folder, key, net, optimizer), time.monotonic()
    users = _segments_of_users(loader)
    net.train()
    while progress.step < plan.steps:
        for group in optimizer.param_groups:
            group["lr"] = trainer.learning_rate * lr_multiplier(progress.step, plan.steps, trainer.warmup_share)
        losses = _step(net, loader, users, plan, noise, progress.step)
        optimizer.step()
        _count(progress, losses, plan, board)
        late = time.monotonic() - started > trainer.max_minutes * 60
        if progress.step % trainer.checkpoint_every_steps == 0 or progress.step == plan.steps or late:
            progress.done = progress.step == plan.steps
            write_state(folder, net, optimizer, progress)
            crash_point("finetune:step")
        if late and not progress.done:
            mark = Unfinished(
                model="the sequence model",
                limit="trainer.max_minutes",
                minutes=trainer.max_minutes,
                step=progress.step,
                steps=plan.steps,
            )
            log.warning("%s", mark)
            return progress.curves, mark
    return progress.curves, None


def _step(
    net: Ensemble,
    loader: SequenceLoader,
    users: list[np.ndarray],
    plan: PrivateSteps,
    noise: NoiseSource,
    step: int,
) -> list[float]:
    """Set the gradients of a step; return the loss of each sampled user."""
    torch.manual_seed(noise.seed("dropout", step))
    gradients = ClippedGradients(net.parameters(), plan.clip_norm)
    losses = []
    for user in plan.sample(noise, step):
        loss = net.loss(*loader.collate(users[user]))
        if not torch.isfinite(loss):
            raise ContractError(f"training: loss is {loss.item()} at step {step}; lower trainer.learning_rate")
        gradients.add(loss)
        losses.append(float(loss.detach()))
    gradients.set_noised_mean(noise, step, plan)
    return losses


def _count(progress: TrainingProgress, losses: list[float], plan: PrivateSteps, board: Path | None) -> None:
    progress.step += 1
    progress.batch += len(losses)
    progress.loss_sum += sum(losses)
    if progress.step % plan.steps_per_epoch and progress.step < plan.steps:
        return
    progress.epoch += 1
    progress.curves.setdefault("train/loss", []).append(progress.loss_sum / max(1, progress.batch))
    log.info("epoch %d: train/loss %.4f", progress.epoch, progress.curves["train/loss"][-1])
    progress.batch, progress.loss_sum = 0, 0.0
    if board is not None:
        write_curves(board, progress.curves)


def _segments_of_users(loader: SequenceLoader) -> list[np.ndarray]:
    """Return the segments of each user with events, the shorter ones first, as `collate` wants them."""
    s = loader.sequences
    order = np.lexsort((s.ends - s.starts, s.row))
    return np.split(order, np.flatnonzero(np.diff(s.row[order])) + 1)
