"""The ranker's training with Lightning: early stopping on the log-loss of later examples, curves and histograms."""

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
    """A training step, and validation after each epoch."""

    def __init__(self, net: nn.Module, params: RankingParams, holdout: Batch) -> None:
        super().__init__()
        self.net, self.params, self.holdout = net, params, holdout
        self.curves: dict[str, list[float]] = {"train/loss": [], "validation/loss": [], "validation/accuracy": []}
        self.best: dict[str, torch.Tensor] = {}
        self.losses: list[float] = []

    def configure_optimizers(self) -> Any:
        """Return AdamW; the article's is Adam, without weight decay."""
        if self.params.configuration == "seed_faithful":
            return torch.optim.Adam(self.net.parameters(), lr=self.params.seed_learning_rate)
        rate, decay = self.params.learning_rate, self.params.weight_decay
        return torch.optim.AdamW(self.net.parameters(), lr=rate, weight_decay=decay)

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        """Return the loss of a batch."""
        value = loss(self.net(batch[0]), batch[1], self.params)
        self.losses.append(float(value.detach()))
        return value

    def on_train_epoch_end(self) -> None:
        """Validate on the holdout; remember the best weights; stop early without improvement."""
        inputs, labels = self.holdout
        self.net.eval()
        with torch.inference_mode():
            logits = self.net(inputs)
            value = float(loss(logits, labels, self.params))
            accuracy = ((logits[:, 0] > 0) == (labels[:, 0] > 0.5)).float().mean()
        self.net.train()
        if not np.isfinite(value):
            name = "seed_learning_rate" if self.params.configuration == "seed_faithful" else "learning_rate"
            raise ContractError(f"ranker: the loss is {value}; lower ranking.{name}")
        history = self.curves["validation/loss"]
        if value < min(history, default=np.inf):
            self.best = {name: weights.detach().clone() for name, weights in self.net.state_dict().items()}
        history.append(value)
        self.curves["train/loss"].append(float(np.mean(self.losses)))
        self.curves["validation/accuracy"].append(float(accuracy))
        self.losses = []
        log.info("epoch %d: loss %.4f, validation %.4f", len(history), self.curves["train/loss"][-1], value)
        for logger in self.loggers:
            logger.log_metrics({name: values[-1] for name, values in self.curves.items()}, step=len(history))
            for name, weights in self.net.named_parameters():
                logger.experiment.add_histogram(name, weights.detach(), len(history))  # type: ignore[attr-defined]
        is_faithful = self.params.configuration == "seed_faithful"  # no early stopping in the article
        self.trainer.should_stop = not is_faithful and int(np.argmin(history)) < len(history) - self.params.patience


def train(
    net: nn.Module,
    learn: Examples,
    holdout: Examples,
    inputs: RankerInputs,
    params: RankingParams,
    seed: int,
    board: Path | None,
) -> dict[str, list[float]]:
    """Train `net` in place to its best epoch on the holdout; return its curves. TensorBoard reads `board`.

    The article's network keeps the weights of its tenth epoch.
    """
    faithful = params.configuration == "seed_faithful"
    torch.manual_seed(seed)
    loader = ExampleLoader(learn, inputs, FAITHFUL_BATCH if faithful else params.batch_size, seed)
    module = RankingModule(net, params, batch_of(holdout, inputs))
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    trainer = lightning.Trainer(
        accelerator="cpu",  # the network is too small to gain from a GPU
        max_epochs=FAITHFUL_EPOCHS if faithful else params.max_epochs,
        logger=TensorBoardLogger(board, name="", version="") if board else False,
        log_every_n_steps=max(1, len(loader)),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    with warnings.catch_warnings():  # Lightning 2.6 on torch 2.13
        warnings.filterwarnings("ignore", r".*LeafSpec.* is deprecated", FutureWarning)
        trainer.fit(module, loader)
    if not faithful:
        net.load_state_dict(module.best)
    net.eval()
    return module.curves


def batch_of(examples: Examples, inputs: RankerInputs) -> Batch:
    """Return the examples as tensors."""
    return inputs.batch(examples.user, examples.item, examples.position), torch.from_numpy(examples.labels)
