"""Fine-tuning with Lightning: steps, validation by NDCG, early stopping, and checkpoints to resume after kill -9.

Dropout and the order of batches are functions of seed, epoch and step; so a resumed run ends in the same weights, and a
run of a fixed number of epochs in those that a validated run had after as many.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException

from components.curves import write_curves
from components.errors import ContractError
from components.faults import crash_point
from components.language.precision import has_native_bfloat16
from components.params import TrainerParams
from components.recommenders.sequence.batching import Part, SequenceLoader
from components.recommenders.sequence.checkpoint import (
    TrainingProgress,
    read_best,
    read_progress,
    read_state,
    write_best,
    write_state,
)
from components.recommenders.sequence.ensemble import Ensemble
from components.recommenders.sequence.processes import ends_with_other_processes
from components.recommenders.sequence.schedule import lr_multiplier
from components.unfinished import Unfinished

log = logging.getLogger("finetune")
Validate = Callable[[Ensemble], float]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Until = Validate | int  # the metric whose best epoch is kept; or the number of epochs, without any validation


class SequenceModule(lightning.LightningModule):
    """One step: the loss of a batch, with dropout drawn from (seed, step)."""

    def __init__(self, net: Ensemble, params: TrainerParams, seed: int, run: TrainingLoop) -> None:
        super().__init__()
        self.net, self.params, self.seed, self.run = net, params, seed, run

    def configure_optimizers(self) -> Any:
        """Return AdamW; its rate is set at each step, so that it depends on the step alone."""
        fused = self.trainer.precision != "16-mixed"  # a fused step undoes the scaling of the loss after the clipping
        return torch.optim.AdamW(
            self.net.parameters(),
            lr=self.params.learning_rate,
            weight_decay=self.params.weight_decay,
            fused=fused,
            foreach=not fused,
        )

    def training_step(self, part: Part, _: int) -> torch.Tensor:
        """Return the loss, whose mean over processes is the batch's; raises ContractError when it is not finite."""
        step = self.run.progress.step
        torch.manual_seed((self.seed * 1_000_003 + step * 8191 + self.global_rank) % 2**63)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.params.learning_rate * self.run.lr_multiplier(step)
        batch, counts = part
        loss = self.net.loss(*batch) * counts
        if not torch.isfinite(loss):
            raise ContractError(f"training: loss is {loss.item()} at step {step}; lower trainer.learning_rate")
        return loss

    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        """Clip here: Lightning refuses to with mixed precision and a fused optimizer, also where no loss is scaled."""
        for member in self.net.nets:
            torch.nn.utils.clip_grad_norm_(member.parameters(), self.params.gradient_clip)


class TrainingLoop(lightning.Callback):
    """Everything around the steps: progress, checkpoints, validation, early stopping."""

    def __init__(
        self,
        folder: Path,
        key: str,
        params: TrainerParams,
        loader: SequenceLoader,
        until: Until,
        board: Path | None = None,
    ) -> None:
        self.folder, self.params, self.loader, self.until, self.board = folder, params, loader, until, board
        self.progress = TrainingProgress(key)
        self.started = time.monotonic()
        self.late = False  # the limit of minutes is reached
        self.steps = 0  # of the whole run, at most; set once the number of processes is known

    def lr_multiplier(self, step: int) -> float:
        """Return the factor of the learning rate."""
        return lr_multiplier(step, self.steps, self.params.warmup_share)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Resume from the checkpoint, at the batch of the epoch where it was written."""
        self.progress = read_state(self.folder, self.progress.key, pl_module.net, trainer.optimizers[0])
        self.loader.rank, self.loader.world = trainer.global_rank, trainer.world_size
        self.loader.epoch, self.loader.skip = self.progress.epoch, self.progress.batch
        self.steps = min(sum(map(self.loader.steps, range(self.params.max_epochs))), self.params.max_steps)
        if self.progress.step:
            log.info("resumed in epoch %d at step %d", self.progress.epoch + 1, self.progress.step)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count; write a checkpoint every checkpoint_every_steps, on SIGTERM and at the limit of minutes."""
        now = self.progress
        now.step, now.batch = now.step + 1, now.batch + 1
        loss = trainer.strategy.reduce(outputs["loss"].detach(), reduce_op="mean") / len(pl_module.net.members)
        now.loss_sum += float(loss)
        pl_module.log("train/loss", loss, prog_bar=True)
        late = time.monotonic() - self.started > self.params.max_minutes * 60
        self.late = trainer.strategy.reduce_boolean_decision(late, all=False)  # all processes stop together
        due = now.step % self.params.checkpoint_every_steps == 0 or trainer.received_sigterm
        if (due or self.late) and not self._epoch_is_over():  # after the last batch `on_train_epoch_end` writes one
            self._write_checkpoint(trainer, pl_module)
        if due:
            crash_point("finetune:step")
        if self.late or now.step >= self.steps:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Validate; write the best weights; decide on early stopping. An epoch that is not over is left for later."""
        now = self.progress
        if not self._epoch_is_over():
            return
        numbers = {"train/loss": now.loss_sum / max(1, now.batch)}
        now.epoch, now.batch, now.loss_sum = now.epoch + 1, 0, 0.0
        now.done = now.epoch >= self.params.max_epochs or now.step >= self.steps
        if isinstance(self.until, int):
            now.done = is_best = now.done or now.epoch >= self.until
        else:
            numbers["validation/ndcg_at_10"] = value = self.until(pl_module.net)
            is_best = value > now.best
            now.best, now.since_best = (value, 0) if is_best else (now.best, now.since_best + 1)
            now.done = now.done or now.since_best >= self.params.patience
        if is_best and trainer.is_global_zero:
            write_best(self.folder, pl_module.net)
            crash_point("finetune:best")
        for name, number in numbers.items():
            now.curves.setdefault(name, []).append(number)
        self._show(trainer, pl_module, numbers)
        log.info("epoch %d: %s", now.epoch, ", ".join(f"{name} {number:.4f}" for name, number in numbers.items()))
        self.loader.epoch, self.loader.skip = now.epoch, 0
        self._write_checkpoint(trainer, pl_module)
        crash_point("finetune:epoch")
        trainer.should_stop = now.done or self.late

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Load the weights of the best epoch, in every process before any of them exits."""
        if self.progress.done or (self.late and self.progress.best >= 0):  # no best one before the first validation
            read_best(self.folder, pl_module.net)
        trainer.strategy.barrier()

    def unfinished(self) -> Unfinished | None:
        """Return the mark of a run that trainer.max_minutes stopped before its end."""
        if not self.late or self.progress.done:
            return None
        return Unfinished(
            model="the sequence model",
            limit="trainer.max_minutes",
            minutes=self.params.max_minutes,
            step=self.progress.step,
            steps=self.steps,
        )

    def _epoch_is_over(self) -> bool:
        return self.progress.batch >= self.loader.steps(self.progress.epoch) or self.progress.step >= self.steps

    def _write_checkpoint(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero:
            write_state(self.folder, pl_module.net, trainer.optimizers[0], self.progress)
        trainer.strategy.barrier()

    def _show(self, trainer: Any, pl_module: Any, numbers: dict[str, float]) -> None:
        """Write the curves so far for the flow, and the epoch for TensorBoard."""
        if not trainer.is_global_zero or self.board is None:
            return
        write_curves(self.board, self.progress.curves)
        for logger in trainer.loggers:
            named = {name.replace("train/", "epoch/"): number for name, number in numbers.items()}
            logger.log_metrics(named, step=self.progress.epoch - 1)
            for name, weights in pl_module.net.named_parameters():
                logger.experiment.add_histogram(name, weights.detach().float(), self.progress.epoch - 1)


def train(
    net: Ensemble,
    loader: SequenceLoader,
    until: Until,
    params: TrainerParams,
    seed: int,
    folder: Path,
    key: str,
    board: Path | None,
) -> tuple[dict[str, list[float]], Unfinished | None]:
    """Train `net` in place to its best epoch so far; return the curves, and a mark if trainer.max_minutes stopped it.

    until: a metric (higher is better) or a number of epochs; the learning rate follows trainer.max_epochs in both.
    A run that was killed or stopped goes on from its checkpoint in `folder`, to the same end as one without a break.
    With several devices this runs in as many processes; the first one writes, and all end with the same net.
    Raises ContractError when training was interrupted (after SIGTERM Lightning alone would exit with 0); exits with 1
    where another process of the training has failed.
    """
    earlier = read_progress(folder, key)
    if earlier is not None and earlier.done:
        read_best(folder, net)
        return earlier.curves, None
    run = TrainingLoop(folder, key, params, loader, until, board)
    left = run.loader.steps(earlier.epoch) - earlier.batch if earlier else run.loader.steps(0)  # in the first epoch
    trainer = _trainer(params, board, run, min(10, left))
    try:
        with warnings.catch_warnings(), ends_with_other_processes(trainer.strategy.launcher):
            # raised by Lightning 2.6 on torch 2.13
            warnings.filterwarnings("ignore", r".*LeafSpec.* is deprecated", FutureWarning)
            trainer.fit(SequenceModule(net, params, seed, run), loader)
    except SIGTERMException:
        log.warning("received SIGTERM")  # the error below makes the exit code non-zero
    except torch.OutOfMemoryError as error:
        raise ContractError(
            f"training ran out of memory; lower trainer.batch_size {params.batch_size} ({error})"
        ) from None
    unfinished = run.unfinished()
    if unfinished is not None:
        log.warning("%s", unfinished)
    elif not run.progress.done:
        raise ContractError(f"training was stopped at step {run.progress.step} before it was done; run again to resume")
    return run.progress.curves, unfinished


def _trainer(params: TrainerParams, board: Path | None, run: TrainingLoop, log_every: int) -> lightning.Trainer:
    """Return Lightning's trainer, which logs every log_every steps; raises ContractError for an absent device."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(
        logging.WARNING
    )  # hides notes on devices, and tips
    gpu = params.accelerator == "gpu" or (params.accelerator == "auto" and torch.cuda.is_available())
    if gpu and not torch.cuda.is_available():
        raise ContractError("trainer.accelerator is gpu, and torch sees none; set it to auto or cpu")
    auto: Precision = "bf16-mixed" if gpu or has_native_bfloat16() else "32-true"
    return lightning.Trainer(
        accelerator="gpu" if gpu else "cpu",
        devices=params.devices,
        strategy=params.strategy,
        precision=auto if params.precision == "auto" else params.precision,
        max_epochs=params.max_epochs,
        callbacks=[run],
        logger=TensorBoardLogger(board, name="", version="") if board else False,
        log_every_n_steps=log_every,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
    )
