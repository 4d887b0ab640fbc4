"""The ranker's training with Lightning: early stopping on the log-loss of later examples, curves and histograms.

Of the article's network, and where the number of epochs is given, the weights of the last epoch are kept.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn

from components.curves import write_curves
from components.errors import ContractError
from components.params import RankingParams
from components.ranking.examples import Examples
from components.ranking.features import RankerInputs
from components.ranking.model import PairBatch, loss

log = logging.getLogger("rank")
Batch = tuple[PairBatch, torch.Tensor]  # features, and labels (n, tasks)
FAITHFUL_EPOCHS, FAITHFUL_BATCH = 10, 32  # the article's


class ExampleLoader:
    """Batches of an epoch, in an order given by seed and epoch."""

    def __init__(self, examples: Examples, inputs: RankerInputs, batch_size: int, seed: int) -> None:
        self.examples, self.inputs, self.batch_size, self.seed = examples, inputs, batch_size, seed
        self.epoch = 0

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.examples) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches; each call is the next epoch."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.examples))
        self.epoch += 1
        for start in range(0, len(order), self.batch_size):
            yield batch_of(self.examples.take(order[start : start + self.batch_size]), self.inputs)


class RankingModule(lightning.LightningModule):
    """A training step, and validation after each epoch where there is a holdout."""

    def __init__(self, net: nn.Module, params: RankingParams, holdout: Batch | None, board: Path | None = None) -> None:
        super().__init__()
        self.net, self.params, self.holdout, self.board = net, params, holdout, board
        self.curves: dict[str, list[float]] = {}
        self.best: dict[str, torch.Tensor] = {}
        self.losses: list[float] = []

    def configure_optimizers(self) -> Any:
        """Return AdamW; the article's is Adam, without weight decay."""
        if self.params.configuration == "seed_faithful":
            return torch.optim.Adam(self.net.parameters(), lr=self.params.seed_learning_rate)
        rate, decay = self.params.learning_rate, self.params.weight_decay
        return torch.optim.AdamW(self.net.parameters(), lr=rate, weight_decay=decay, fused=True)

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        """Return the loss of a batch."""
        value = loss(self.net(batch[0]), batch[1], self.params)
        self.losses.append(float(value.detach()))
        return value

    def on_train_epoch_end(self) -> None:
        """Validate on the holdout; remember the best weights; stop early without improvement."""
        numbers = {"train/loss": float(np.mean(self.losses))} | self._validate()
        self.losses = []
        for name, number in numbers.items():
            self._check_finite(number)
            self.curves.setdefault(name, []).append(number)
        epoch, history = len(self.curves["train/loss"]), self.curves.get("validation/loss", [])
        log.info("epoch %d: %s", epoch, ", ".join(f"{name} {number:.4f}" for name, number in numbers.items()))
        if self.board is not None:
            write_curves(self.board, self.curves)
        for logger in self.loggers:
            logger.log_metrics(numbers, step=epoch)
            for name, weights in self.net.named_parameters():
                logger.experiment.add_histogram(name, weights.detach(), epoch)  # type: ignore[attr-defined]
        if not history or self.params.configuration == "seed_faithful":  # no early stopping in the article
            return
        best = int(np.argmin(history)) + 1
        if best == epoch:
            self.best = {name: weights.detach().clone() for name, weights in self.net.state_dict().items()}
        self.trainer.should_stop = best <= epoch - self.params.patience

    def _validate(self) -> dict[str, float]:
        """Return the loss and the accuracy of clicks on the holdout; nothing without one."""
        if self.holdout is None:
            return {}
        inputs, labels = self.holdout
        self.net.eval()
        with torch.inference_mode():
            logits = self.net(inputs)
            value = float(loss(logits, labels, self.params))
            accuracy = ((logits[:, 0] > 0) == (labels[:, 0] > 0.5)).float().mean()
        self.net.train()
        return {"validation/loss": value, "validation/accuracy": float(accuracy)}

    def _check_finite(self, value: float) -> None:
        if not np.isfinite(value):
            name = "seed_learning_rate" if self.params.configuration == "seed_faithful" else "learning_rate"
            raise ContractError(f"ranker: the loss is {value}; lower ranking.{name}")


def train(
    net: nn.Module,
    learn: Examples,
    until: Examples | int,
    inputs: RankerInputs,
    params: RankingParams,
    seed: int,
    board: Path | None,
) -> dict[str, list[float]]:
    """Train `net` in place; return its curves. TensorBoard reads `board`.

    until: the holdout whose best epoch is kept; or the number of epochs, which is then trained without validation.
    The article's network keeps the weights of its tenth epoch.
    """
    faithful = params.configuration == "seed_faithful"
    fixed = until if isinstance(until, int) else None
    torch.manual_seed(seed)
    loader = ExampleLoader(learn, inputs, FAITHFUL_BATCH if faithful else params.batch_size, seed)
    module = RankingModule(net, params, batch_of(until, inputs) if isinstance(until, Examples) else None, board)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    trainer = lightning.Trainer(
        accelerator="cpu",  # the network is too small to gain from a GPU
        max_epochs=fixed or (FAITHFUL_EPOCHS if faithful else params.max_epochs),
        logger=TensorBoardLogger(board, name="", version="") if board else False,
        log_every_n_steps=max(1, len(loader)),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    with warnings.catch_warnings():  # Lightning 2.6 on torch 2.13
        warnings.filterwarnings("ignore", r".*LeafSpec.* is deprecated", FutureWarning)
        trainer.fit(module, loader)
    if module.best:
        net.load_state_dict(module.best)
    net.eval()
    return module.curves


def batch_of(examples: Examples, inputs: RankerInputs) -> Batch:
    """Return the examples as tensors."""
    return inputs.batch(examples.user, examples.item, examples.position), torch.from_numpy(examples.labels)
