"""The sequence model as a Recommender. Serving it needs torch only; Lightning is imported where it is trained."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from components.contracts import EVENTS, Catalogue, FloatArray, IntArray, Interactions, Users
from components.errors import ContractError
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank
from components.params import SequenceParams, TrainerParams
from components.ragged import Ragged
from components.recommenders.base import BaseRecommender
from components.recommenders.histories import check_items
from components.recommenders.sequence.attributes import attribute_codes, price_levels
from components.recommenders.sequence.batching import Loader, newest_pieces, pack, training_sequences
from components.recommenders.sequence.graph import item_graph
from components.recommenders.sequence.model import Items, Net, Transformer
from components.recommenders.sequence.profile import centred
from components.recommenders.storage import Stored, write_model

USERS_AT_ONCE = 256  # through the transformer, when scoring
VALIDATION_USERS = 2_000  # at most, in the check after each epoch: the stage `evaluate` looks at all


class SequenceRecommender(BaseRecommender):
    """Scores are cosines of the user's state and the item's vector."""

    name: ClassVar[str] = "sequence"
    knows_new: ClassVar[bool] = True

    def __init__(self, params: SequenceParams, trainer: TrainerParams, seed: int, exclude_seen: bool) -> None:
        """`work` may be set to a folder where a killed training can be taken up, `board` to one for TensorBoard.

        `after_epoch` may be set to what is told the validation NDCG after each epoch; what it raises ends the training.
        """
        self.params, self.trainer, self.seed, self.exclude_seen = params, trainer, seed, exclude_seen
        self.work: Path | None = None
        self.board: Path | None = None
        self.after_epoch: Callable[[float], None] | None = None
        self.curves: dict[str, list[float]] = {}

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Train on known users' histories; `users` says after each epoch whether another one helps.

        Raises ContractError when the catalogue has no embeddings, or when nobody has a history.
        """
        from components.recommenders.sequence.training import train

        if items.embedding is None or len(items.embedding) != interactions.n_items + 1:
            raise ContractError(f"sequence: expected embeddings of {interactions.n_items + 1} rows; run `encode`")
        self.price = centred(price_levels(items))
        sequences = training_sequences(interactions, self.params, self.price)
        if not len(sequences.starts):
            raise ContractError("sequence: no known user has an event in the training window; widen it")
        torch.manual_seed(self.seed)
        evidence = np.bincount(interactions.item_idx, minlength=interactions.n_items + 1).astype(np.float32)
        codes, n_codes = attribute_codes(items)
        text = torch.from_numpy(items.embedding.copy())
        graph = (
            item_graph(interactions, items.embedding, self.params.item_graph_neighbours)
            if self.params.item_graph_neighbours
            else None
        )
        table = Items(text, torch.from_numpy(codes), n_codes, torch.from_numpy(evidence), self.params, graph)
        net = Net(table, Transformer(self.params), self.params)
        asked = _asked(users, self.exclude_seen)
        self.asked = _shares(asked)

        def validate(net: Net) -> float:
            self._take(net, next(net.parameters()).device)  # on a GPU histories are read there
            lists = rank(self, asked, 10, self.exclude_seen, interactions.n_items, self.batch_users)
            value = float(np.nanmean(per_user(lists, asked.ground_truth, [10])["ndcg_at_10"]))
            if self.after_epoch is not None:
                self.after_epoch(value)
            return value

        loader = Loader(sequences, self.trainer.batch_size, self.seed)
        if self.work is None and self.trainer.devices != 1:
            raise ContractError("sequence: trainer.devices is not 1; set `work` to a folder that all processes share")
        with tempfile.TemporaryDirectory() as scratch:
            folder = self.work or Path(scratch)
            key = self._key(interactions, items, codes, asked)
            self.curves = train(net, loader, validate, self.trainer, self.seed, folder, key, self.board)
        self._take(net)
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return cosines in [-1, 1], of the heads' mean; a user without history is where everybody starts."""
        check_items(users.history.item_idx, len(self.vectors) - 1, "a history", lowest=1)
        if items is not None:
            check_items(items, len(self.vectors) - 1, "`items`")
        states = self._states(users.history)
        scores: FloatArray = states @ (self.vectors if items is None else self.vectors[items]).T
        return scores

    def save(self, folder: Path) -> None:
        """Write the transformer and the item vectors; what made the vectors stays behind."""
        arrays = {f"net.{k}": v.detach().cpu().numpy() for k, v in self.transformer.state_dict().items()}
        settings = {"params": self.params, "trainer": self.trainer}
        arrays |= {"vectors": self.vectors, "price": self.price, "asked": self.asked}
        write_model(folder, self.name, 3, len(self.vectors) - 1, settings, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = Stored(folder, cls.name, 3)
        model = cls(stored.section("params", SequenceParams), stored.section("trainer", TrainerParams), 0, True)
        model.vectors = stored.array("vectors", (stored.n_items + 1, model.params.dim))
        model.price = stored.array("price", (stored.n_items + 1,))
        model.asked = stored.array("asked", (len(EVENTS),))
        model.transformer = Transformer(model.params).eval()
        shapes = {k: tuple(v.shape) for k, v in model.transformer.state_dict().items()}
        model.transformer.load_state_dict({k: torch.from_numpy(stored.array(f"net.{k}", s)) for k, s in shapes.items()})
        return model

    def _take(self, net: Net, device: torch.device | str = "cpu") -> None:
        """Score with the net as it is now, its transformer on the device."""
        with torch.inference_mode():
            self.vectors: FloatArray = net.items().detach().float().cpu().numpy().copy()
        self.transformer = Transformer(self.params).eval().to(device)
        self.transformer.load_state_dict({k: v.detach().float() for k, v in net.transformer.state_dict().items()})

    def _states(self, history: Ragged) -> FloatArray:
        """Return (n_users, dim): what the heads say after the newest event of each history, by how much each is asked.

        Histories of like lengths go together.
        """
        pieces = newest_pieces(history, self.params, self.price)
        lengths = pieces.ends - pieces.starts
        states = np.zeros((len(lengths), self.params.dim), np.float32)
        order = np.argsort(lengths, kind="stable")
        device = next(self.transformer.parameters()).device
        vectors = torch.from_numpy(self.vectors).to(device)
        for at in range(0, len(order), USERS_AT_ONCE):
            some = order[at : at + USERS_AT_ONCE]
            with torch.inference_mode():
                found = self.transformer.newest(vectors, pack(pieces, some, lengths[some]).on(device))
                for kind in np.flatnonzero(self.asked):  # without heads they all say the same
                    said = self.transformer.ask(found, torch.tensor(kind, device=device))
                    states[some] += self.asked[kind] * said.cpu().numpy()
        return states

    def _key(self, interactions: Interactions, items: Catalogue, codes: NDArray[np.int64], asked: Users) -> str:
        """Return a digest of all that training depends on: a state of anything else is not taken up."""
        digest = hashlib.sha256(
            f"{self.params!r}{self.trainer!r}{self.seed}{self.exclude_seen}{torch.__version__}".encode()
        )
        arrays = [getattr(interactions, c) for c in ("user_idx", "item_idx", "timestamp", "event", "weight")]
        arrays += [getattr(r, c) for r in (asked.history, asked.ground_truth) for c in ("offsets", "item_idx", "event")]
        for array in (*arrays, items.embedding, codes):
            digest.update(np.ascontiguousarray(array).tobytes())
        for file in sorted(Path(__file__).parent.glob("*.py")):  # a state of other code is not taken up either
            digest.update(file.read_bytes())
        return digest.hexdigest()


def _shares(users: Users) -> FloatArray:
    """Return (len(EVENTS),) the share of each kind of event among the users' targets: what is to be foretold."""
    kinds = np.bincount(users.ground_truth.event, minlength=len(EVENTS))
    share: FloatArray = (kinds / kinds.sum()).astype(np.float32)
    return share


def _asked(users: Users, exclude_seen: bool) -> Users:
    """Return the users that the check after each epoch asks: every n-th of those with something to be found."""
    kept = users.without_seen() if exclude_seen else users
    if not len(kept):
        raise ContractError("sequence: nobody in the validation window has a target left; widen split.validation_days")
    return kept.subsample(VALIDATION_USERS)
