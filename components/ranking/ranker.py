"""The ranker: fitted on exposures, calibrated on later ones, saved as safetensors and JSON."""

from __future__ import annotations

import json
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from components.compat import translate
from components.contracts import FloatArray, IntArray, Users
from components.errors import ContractError
from components.io import sha256_arrays, write_bytes, write_json
from components.params import RankingParams
from components.privacy.accounting import Mechanism
from components.privacy.noise import NoiseSource
from components.ranking.calibration import fit_calibration
from components.ranking.examples import TASKS, Examples, missing_data_reason, split_by_time
from components.ranking.features import RankerInputs
from components.ranking.model import PairBatch, ThreeBranches, make_net
from components.reproducible import reproducible

if TYPE_CHECKING:
    from components.ranking.private_training import PrivateRanking

BATCH = 8192  # pairs scored at once
DENSE, AFFINITIES = ("item_text", "item"), ("category", "brand")  # fields of RankerInputs that are saved
ARRAYS, ABOUT, FORMAT = "arrays.safetensors", "ranker.json", 2


class Ranker:
    """Probabilities of a click, a cart and a purchase if a user is shown a product in the first position of a list."""

    def __init__(self, params: RankingParams) -> None:
        """Set `board` to a folder for TensorBoard, and `epochs` to train so many epochs without early stopping.

        Set `private` to train with noise that protects users; `mechanisms` then tell how much.
        After `fit`, `best_epoch` is the epoch whose weights are kept.
        """
        self.params = params
        self.epochs: int | None = None
        self.private: PrivateRanking | None = None
        self.mechanisms: list[Mechanism] = []
        self.board: Path | None = None
        self.curves: dict[str, list[float]] = {}

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the predicted tasks; the article's network has one."""
        return TASKS[:1] if self.params.configuration == "seed_faithful" else TASKS

    @property
    def best_epoch(self) -> int:
        """Return the epoch, from 1, whose weights are kept."""
        losses = self.curves.get("validation/loss")
        if losses and self.params.configuration != "seed_faithful":
            return int(np.argmin(losses)) + 1
        return (self.epochs or self.params.max_epochs) if self.private is not None else len(self.curves["train/loss"])

    @reproducible(threads=1)  # a step of some hundred examples takes longer on two threads, and twice the CPU
    def fit(self, examples: Examples, inputs: RankerInputs, seed: int) -> Self:
        """Train on the earlier examples; stop early and calibrate on the newest `holdout_share` of them.

        With `epochs`, the examples for early stopping are learned from, too.
        No example may be earlier than the events of `inputs`. Raises ContractError where a part has too few positives.
        """
        from components.ranking.training import train

        if self.private is not None:
            return self._fit_privately(self.private, examples, inputs, seed)
        learn, stop, calibrate = split_by_time(examples, self.params.holdout_share)
        reason = missing_data_reason(examples, examples, self.params)
        if reason:
            raise ContractError(f"ranker: {reason}; widen split.validation_days or raise ranking.holdout_share")
        if self.epochs is not None:
            learn = examples.take(np.arange(len(learn) + len(stop)))
        torch.manual_seed(seed)
        self.inputs = inputs
        self.net = make_net(inputs.sizes, self.params)
        if isinstance(self.net, ThreeBranches):
            self.net.start_at(torch.from_numpy(learn.labels.mean(axis=0)))
        self.curves = train(self.net, learn, self.epochs or stop, inputs, self.params, seed, self.board)
        steps = self._steps(calibrate.user, calibrate.item, calibrate.position)
        self.calibration = fit_calibration(steps, calibrate.labels)
        return self

    def _fit_privately(self, private: PrivateRanking, examples: Examples, inputs: RankerInputs, seed: int) -> Self:
        """Train on all examples; see private_training.py for what is left out."""
        from components.ranking.private_training import (
            identity_calibration,
            private_branches,
            private_inputs,
            train_privately,
        )

        self.params, self.inputs = private_branches(self.params), private_inputs(inputs)
        torch.manual_seed(seed)
        net = self.net = ThreeBranches(self.inputs.sizes, self.params)
        epochs = self.epochs or self.params.max_epochs
        about = f"{self.params!r} {private.params!r} {seed} {epochs}"
        noise = NoiseSource(private.secret, _digest(examples, self.inputs, about))
        self.curves, self.mechanisms = train_privately(net, examples, self.inputs, self.params, private, epochs, noise)
        self.calibration = identity_calibration()
        return self

    def predict_proba(self, user: IntArray, item: IntArray, calibrated: bool = True) -> FloatArray:
        """Return (n, len(tasks)) probabilities of n pairs in the first position; index 0 is unknown."""
        return self._probabilities(self._steps(user, item, np.zeros(len(user), np.float32)), calibrated)

    def for_users(self, users: Users, profiles: FloatArray) -> Self:
        """Return the ranker for these users: user_idx i, from 0, then means history i and row i of profiles (n, u)."""
        other = copy(self)
        other.inputs = self.inputs.of_users(users, profiles, self.params.recency)
        return other

    def predict_examples(self, examples: Examples, calibrated: bool = True) -> FloatArray:
        """Return (n, len(tasks)) probabilities of the examples, each in the position where it was shown."""
        return self._probabilities(self._steps(examples.user, examples.item, examples.position), calibrated)

    def save(self, folder: Path) -> None:
        """Write arrays.safetensors, then ranker.json; the same ranker gives the same bytes.

        Features of users are not saved: `for_users` sets them.
        """
        arrays: dict[str, NDArray[Any]] = {f"known.{name}": getattr(self.inputs, name) for name in DENSE}
        arrays |= {f"known.{name}": getattr(self.inputs, name).value for name in AFFINITIES}
        arrays["known.nobody"] = self.inputs.user[:1]
        arrays |= {f"net.{name}": weights.numpy() for name, weights in self.net.state_dict().items()}
        arrays["calibration"] = self.calibration
        write_bytes(folder / ARRAYS, save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))
        about = {"format": FORMAT, "params": self.params.model_dump(mode="json"), "tasks": list(self.tasks)}
        write_json(folder / ABOUT, about, sort_keys=True)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises ContractError when a file is missing or damaged."""
        try:
            about = translate("ranker", json.loads((folder / ABOUT).read_bytes()))
            if about["format"] != FORMAT:
                raise ValueError(f"format {about['format']}, expected {FORMAT}")
            ranker = cls(RankingParams.from_saved(about["params"]))
            arrays = translate("ranker_arrays", load_file(folder / ARRAYS))
            ranker.inputs = RankerInputs.of_items(
                *(arrays[f"known.{name}"] for name in (*DENSE, "nobody", *AFFINITIES))
            )
            ranker.net = make_net(ranker.inputs.sizes, ranker.params).eval()
            weights = {k.removeprefix("net."): torch.from_numpy(v) for k, v in arrays.items() if k.startswith("net.")}
            ranker.net.load_state_dict(weights)
            ranker.calibration = arrays["calibration"]
            if ranker.calibration.shape != (len(ranker.tasks), 2):
                raise ValueError(f"calibration of shape {ranker.calibration.shape}")
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ContractError(f"{folder}: no ranker ({error}); run the stage `rank` again") from None
        return ranker

    def _steps(self, user: IntArray, item: IntArray, position: FloatArray) -> FloatArray:
        """Return (n, len(tasks)) logits of each step: a click, a cart given a click, a purchase given a cart."""
        out = np.zeros((len(user), len(self.tasks)), np.float32)
        with torch.inference_mode():
            for at in range(0, len(user), BATCH):
                rows = slice(at, at + BATCH)
                inputs: PairBatch = self.inputs.batch(user[rows], item[rows], position[rows])
                out[rows] = self.net.steps(inputs).numpy()  # type: ignore[operator]
        return out

    def _probabilities(self, steps: FloatArray, calibrated: bool) -> FloatArray:
        """Return the products of the steps' probabilities: no cart without a click, no purchase without a cart."""
        if calibrated:
            steps = (steps * self.calibration[:, 0] + self.calibration[:, 1]).astype(np.float32)
        probabilities: FloatArray = np.cumprod(0.5 * (1 + np.tanh(steps / 2)), axis=1).astype(np.float32)
        return probabilities


def _digest(examples: Examples, inputs: RankerInputs, about: str) -> bytes:
    """Return a digest of all that private training depends on: the same noise on two trainings would cancel out."""
    arrays = [examples.user, examples.item, examples.position, examples.labels, inputs.user_text, inputs.item_text]
    for one in (inputs.category, inputs.brand):
        arrays += [one.value, one.weight.indptr, one.weight.indices, one.weight.data]
    return bytes.fromhex(sha256_arrays(about, arrays))
