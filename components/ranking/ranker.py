"""The ranker: fitted on what was shown, calibrated on later examples, saved as safetensors and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from components.contracts import FloatArray, IntArray
from components.errors import ContractError
from components.params import Ranking
from components.ranking.examples import TASKS, Examples, cut, lacking
from components.ranking.features import Cares, Known
from components.ranking.model import Inputs, ThreeBranches, make_net
from components.recommenders.storage import matrix_arrays

BATCH = 8192  # pairs scored at once
DENSE, CARES = ("user_text", "item_text", "user", "item"), ("category", "brand")  # fields of Known
ARRAYS, ABOUT = "arrays.safetensors", "ranker.json"


class Ranker:
    """Chances of a click, a cart and a purchase if a user is shown a product in the first place of a list."""

    def __init__(self, params: Ranking) -> None:
        """`board` may be set to a folder for TensorBoard."""
        self.params = params
        self.board: Path | None = None
        self.curves: dict[str, list[float]] = {}

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return what it tells the chances of: the article's network tells one."""
        return TASKS[:1] if self.params.configuration == "seed_faithful" else TASKS

    def fit(self, examples: Examples, known: Known, seed: int) -> Self:
        """Learn from the earlier examples; stop and calibrate on the newest `check_share` of them.

        No example may be earlier than what `known` was made of. Raises ContractError where too few are left to check.
        """
        from components.ranking.training import train

        learn, check = cut(examples, self.params.check_share)
        reason = lacking(examples, check, self.params)
        if reason:
            raise ContractError(f"ranker: {reason}; widen split.validation_days or raise ranking.check_share")
        torch.manual_seed(seed)
        self.known = known
        self.net = make_net(known.sizes, self.params)
        if isinstance(self.net, ThreeBranches):
            self.net.start_at(torch.from_numpy(learn.labels.mean(axis=0)))
        self.curves = train(self.net, learn, check, known, self.params, seed, self.board)
        logits = self._logits(check.user, check.item, check.place)
        self.calibration = np.array([_platt(logits[:, i], check.labels[:, i]) for i in range(len(self.tasks))])
        return self

    def probabilities(self, user: IntArray, item: IntArray, calibrated: bool = True) -> FloatArray:
        """Return (n, len(tasks)) chances for n pairs; 0 is somebody or something unknown."""
        logits = self._logits(user, item, np.zeros(len(user), np.float32))
        return self._chances(logits, calibrated)

    def told(self, examples: Examples, calibrated: bool = True) -> FloatArray:
        """Return (n, len(tasks)) chances of the examples, each in the place where it was shown."""
        return self._chances(self._logits(examples.user, examples.item, examples.place), calibrated)

    def save(self, folder: Path) -> None:
        """Write arrays.safetensors, then ranker.json; the same ranker gives the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {f"known.{name}": getattr(self.known, name).astype(np.float16) for name in DENSE}
        for name in CARES:
            cares: Cares = getattr(self.known, name)
            arrays |= matrix_arrays(f"known.{name}", cares.weight) | {f"known.{name}.value": cares.value}
        arrays |= {f"net.{name}": weights.numpy() for name, weights in self.net.state_dict().items()}
        arrays["calibration"] = self.calibration
        (folder / ARRAYS).write_bytes(save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))
        about = {"format": 1, "params": self.params.model_dump(mode="json"), "tasks": list(self.tasks)}
        partial = folder / f".{ABOUT}.partial"
        partial.write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(folder / ABOUT)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises ContractError when a file is missing or damaged."""
        try:
            about = json.loads((folder / ABOUT).read_bytes())
            if about["format"] != 1:
                raise ValueError(f"format {about['format']}, expected 1")
            ranker = cls(Ranking.model_validate(about["params"]))
            arrays = load_file(folder / ARRAYS)
            user_text, item_text, user, item = (arrays[f"known.{name}"].astype(np.float32) for name in DENSE)
            category, brand = (_cares(arrays, f"known.{name}", len(user)) for name in CARES)
            ranker.known = Known(user_text, item_text, user, item, category, brand)
            ranker.net = make_net(ranker.known.sizes, ranker.params).eval()
            weights = {k.removeprefix("net."): torch.from_numpy(v) for k, v in arrays.items() if k.startswith("net.")}
            ranker.net.load_state_dict(weights)
            ranker.calibration = arrays["calibration"]
            if ranker.calibration.shape != (len(ranker.tasks), 2):
                raise ValueError(f"calibration of shape {ranker.calibration.shape}")
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ContractError(f"{folder}: no ranker ({error}); run the stage `rank` again") from None
        return ranker

    def _logits(self, user: IntArray, item: IntArray, place: FloatArray) -> FloatArray:
        out = np.zeros((len(user), len(self.tasks)), np.float32)
        with torch.inference_mode():
            for at in range(0, len(user), BATCH):
                rows = slice(at, at + BATCH)
                inputs: Inputs = self.known.inputs(user[rows], item[rows], place[rows])
                out[rows] = self.net(inputs).numpy()
        return out

    def _chances(self, logits: FloatArray, calibrated: bool) -> FloatArray:
        if calibrated:
            logits = logits * self.calibration[:, 0] + self.calibration[:, 1]
        chances: FloatArray = (0.5 * (1 + np.tanh(logits / 2))).astype(np.float32)
        return chances


def _cares(arrays: Mapping[str, NDArray[Any]], key: str, n_users: int) -> Cares:
    from scipy.sparse import csr_matrix

    value = arrays[f"{key}.value"]
    parts = tuple(arrays[f"{key}.{part}"] for part in ("data", "indices", "indptr"))
    return Cares(value, csr_matrix(parts, shape=(n_users, int(value.max(initial=0)) + 1)))


def _platt(logits: FloatArray, labels: NDArray[Any]) -> tuple[float, float]:
    """Return slope and shift that make the logits' chances those of the labels. Source: Platt 1999."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1e3, max_iter=1000).fit(logits[:, None].astype(np.float64), labels > 0.5)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
