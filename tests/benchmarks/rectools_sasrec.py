"""Train RecTools' SASRec on a CSV file of user_id,item_id,datetime and print the seconds of each epoch as JSON.

Run by bench_training.py in a separate environment for RecTools; this file imports nothing from Carousel.
"""

import json
import sys
import time

import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer
from rectools.dataset import Dataset
from rectools.models import SASRecModel

EPOCHS = int(sys.argv[2])


SECONDS: list[float] = []  # of each epoch; not in the callback, because RecTools copies the trainer


class Clock(Callback):
    """Records the duration of each epoch."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: object) -> None:
        """Start the timer."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: object) -> None:
        """Stop the timer."""
        SECONDS.append(time.perf_counter() - self.started)


def trainer() -> Trainer:
    """Return a trainer without logging and checkpoints."""
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(max_epochs=EPOCHS, accelerator="cpu", callbacks=[Clock()], **quiet)


torch.set_num_threads(2)
events = pd.read_csv(sys.argv[1], parse_dates=["datetime"])
events["weight"] = 1.0
model = SASRecModel(
    n_factors=128,
    n_blocks=2,
    n_heads=2,
    session_max_len=20,
    batch_size=256,
    loss="softmax",
    lr=0.001,
    dropout_rate=0.2,
    epochs=EPOCHS,
    get_trainer_func=trainer,
)
model.fit(Dataset.construct(events))
print(json.dumps({"seconds": SECONDS, "sequences": int(events["user_id"].nunique())}))
