"""The sequence model as a Recommender. Serving it needs torch only; Lightning is imported where it is trained."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from components.contracts import EVENTS, Catalogue, FloatArray, IntArray, Interactions, Users
from components.errors import ContractError
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank
from components.io import sha256_arrays, sha256_files
from components.params import Params, SequenceParams, TrainerParams
from components.privacy.accounting import Mechanism
from components.privacy.dp_sgd import PrivateSteps
from components.privacy.noise import NoiseSource
from components.ragged import Ragged
from components.recommenders.base import BaseRecommender
from components.recommenders.histories import check_items
from components.recommenders.sequence.attributes import attribute_codes, price_levels
from components.recommenders.sequence.batching import (
    SequenceLoader,
    Sequences,
    newest_segments,
    pack,
    training_sequences,
)
from components.recommenders.sequence.ensemble import Ensemble
from components.recommenders.sequence.graph import item_graph
from components.recommenders.sequence.model import Items, Net, Transformer
from components.recommenders.sequence.profile import centred
from components.recommenders.storage import Stored, write_model
from components.reproducible import reproducible
from components.unfinished import Unfinished

if TYPE_CHECKING:
    from components.recommenders.sequence.private_training import PrivateTraining

SCORING_BATCH = 256  # users through the transformer at once
CHANGE_NO_STEP = ("max_minutes", "checkpoint_every_steps", "devices", "strategy")  # a resumed run may change them
VALIDATION_USERS = 2_000  # at most, in the validation after each epoch; the stage `evaluate` takes all


class SequenceRecommender(BaseRecommender):
    """Scores are cosines of the user's state and the item's vector, the mean of those of `members` networks."""

    name: ClassVar[str] = "sequence"
    scores_cold_items: ClassVar[bool] = True
    falls_back_on_popularity: ClassVar[bool] = False  # an empty history has a learned state, too

    def __init__(self, params: SequenceParams, trainer: TrainerParams, seed: int, exclude_seen: bool) -> None:
        """Set `work` to a folder for checkpoints to resume a killed training from, and `board` to one for TensorBoard.

        After `fit`, `unfinished` tells whether trainer.max_minutes stopped it; without `work` that is an error.
        `after_epoch` is called with the validation NDCG after each epoch; an exception from it ends the training.
        Set `epochs` to train so many of trainer.max_epochs without validation; None: the best of them is kept.
        Set `private` to train with noise that protects users, without validation; `mechanism` then tells how much.
        """
        self.params, self.trainer, self.seed, self.exclude_seen = params, trainer, seed, exclude_seen
        self.epochs: int | None = None
        self.private: PrivateTraining | None = None
        self.mechanism: Mechanism | None = None
        self.work: Path | None = None
        self.board: Path | None = None
        self.curves: dict[str, list[float]] = {}
        self.unfinished: Unfinished | None = None

    @property
    def best_epoch(self) -> int | None:
        """Return the epoch, from 1, whose weights are kept; None where it was trained without validation."""
        validated = self.curves.get("validation/ndcg_at_10")
        return int(np.argmax(validated)) + 1 if validated else None

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return the model of models.sequence and trainer; with a recipe, it trains the recipe's number of epochs."""
        model = cls(params.models.sequence, params.trainer, params.seed, params.recommend.exclude_seen)
        model.batch_users = params.recommend.batch_users
        model.epochs = params.selection.sequence_epochs if params.selection else None
        return model

    @reproducible()
    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Train on known users' histories; early stopping by NDCG on `users`, unless `epochs` is set.

        In both cases the kinds of event among the targets of `users` weigh the event heads.
        Raises ContractError when the catalogue has no embeddings, no known user has an event, `epochs` is above
        trainer.max_epochs, or trainer.max_minutes is reached where no checkpoint is kept.
        """
        from components.recommenders.sequence.training import train

        if self.epochs is not None and not 1 <= self.epochs <= self.trainer.max_epochs:
            raise ContractError(
                f"sequence: expected 1 to trainer.max_epochs {self.trainer.max_epochs} epochs, got {self.epochs}"
            )
        if items.embedding is None or len(items.embedding) != interactions.n_items + 1:
            raise ContractError(f"sequence: expected embeddings of {interactions.n_items + 1} rows; run `encode`")
        self.price = centred(price_levels(items))
        sequences = training_sequences(interactions, self.params, self.price)
        if not len(sequences.starts):
            raise ContractError("sequence: no known user has an event in the training window; widen it")
        codes, n_codes = attribute_codes(items)
        if self.private is not None:
            return self._fit_privately(self.private, sequences, interactions, items, codes, n_codes)
        net = self._new_net(self.params, interactions, items, codes, n_codes)
        checked = _validation_users(users, self.exclude_seen)
        self.event_shares = _event_shares(checked.ground_truth.event)

        def validate(net: Ensemble) -> float:
            self._use(net, next(net.parameters()).device)  # the transformer stays on its device
            lists = rank(self, checked, 10, self.exclude_seen, interactions.n_items, self.batch_users)
            value = float(np.nanmean(per_user(lists, checked.ground_truth, [10])["ndcg_at_10"]))
            if self.after_epoch is not None:
                self.after_epoch(value)
            return value

        loader = SequenceLoader(sequences, self.trainer.batch_size, self.seed)
        if self.work is None and self.trainer.devices != 1:
            raise ContractError("sequence: trainer.devices is not 1; set `work` to a folder that all processes share")
        with tempfile.TemporaryDirectory() as scratch:
            folder = self.work or Path(scratch)
            key = self._key(interactions, items, codes, (checked.history, checked.ground_truth))
            run = train(net, loader, self.epochs or validate, self.trainer, self.seed, folder, key, self.board)
        self.curves, self.unfinished = run
        if self.unfinished is not None and self.work is None:
            raise ContractError(f"sequence: {self.unfinished}, or lower trainer.max_epochs")
        self._use(net)
        return self

    def use_net(self, net: Net, price: FloatArray, event_shares: FloatArray) -> Self:
        """Take a net that was trained elsewhere; price (n_items + 1,), event_shares (len(EVENTS),) add up to 1."""
        self.price, self.event_shares = price, event_shares
        self.params = self.params.model_copy(update={"members": 1})
        self._use(Ensemble([net]))
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return cosines in [-1, 1] with the mean over event heads; without history, of the start position's state."""
        check_items(users.history.item_idx, len(self.vectors) - 1, "a history", lowest=1)
        if items is not None:
            check_items(items, len(self.vectors) - 1, "`items`")
        states = self._states(users.history)
        scores: FloatArray = states @ (self.vectors if items is None else self.vectors[items]).T
        return scores

    def save(self, folder: Path) -> None:
        """Write transformers and item vectors; the layers that computed the vectors are not needed any more."""
        arrays = {
            _array_name(member, k): v.detach().cpu().numpy()
            for member, transformer in enumerate(self.transformers)
            for k, v in transformer.state_dict().items()
        }
        settings = {"params": self.params, "trainer": self.trainer}
        arrays |= {"vectors": self.vectors, "price": self.price, "event_shares": self.event_shares}
        write_model(folder, self.name, 3, len(self.vectors) - 1, settings, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = Stored(folder, cls.name, 3)
        stored.arrays.setdefault("net.newest_item", np.zeros(1, np.float32))  # models before it existed do without it
        params = stored.section("params", SequenceParams, members=1)
        model = cls(params, stored.section("trainer", TrainerParams), 0, True)
        model.vectors = stored.array("vectors", (stored.n_items + 1, model.params.members * model.params.dim))
        model.price = stored.array("price", (stored.n_items + 1,))
        model.event_shares = stored.array("event_shares", (len(EVENTS),))
        model.transformers = [Transformer(model.params).eval() for _ in range(model.params.members)]
        for member, transformer in enumerate(model.transformers):
            shapes = {k: tuple(v.shape) for k, v in transformer.state_dict().items()}
            arrays = {k: stored.array(_array_name(member, k), shape) for k, shape in shapes.items()}
            transformer.load_state_dict({k: torch.from_numpy(array) for k, array in arrays.items()})
        return model

    def _new_net(
        self,
        params: SequenceParams,
        interactions: Interactions,
        items: Catalogue,
        codes: NDArray[np.int64],
        n_codes: int,
    ) -> Ensemble:
        """Return the untrained networks, whose weights depend on the seed alone; the first is that of one member."""
        assert items.embedding is not None
        torch.manual_seed(self.seed)
        evidence = np.bincount(interactions.item_idx, minlength=interactions.n_items + 1).astype(np.float32)
        neighbours = params.item_graph_neighbours
        graph = item_graph(interactions, items.embedding, neighbours) if neighbours else None
        text = torch.from_numpy(items.embedding.copy())
        modalities = {name: torch.from_numpy(rows.copy()) for name, rows in (items.vectors or {}).items()}
        inputs = text, torch.from_numpy(codes), n_codes, torch.from_numpy(evidence), params, graph, modalities
        return Ensemble([Net(Items(*inputs), Transformer(params), params) for _ in range(params.members)])

    @reproducible(threads=1)  # the history of one user is too little work for several
    def _fit_privately(
        self,
        private: PrivateTraining,
        sequences: Sequences,
        interactions: Interactions,
        items: Catalogue,
        codes: NDArray[np.int64],
        n_codes: int,
    ) -> Self:
        """Train with noise: nothing but the clipped gradients of users comes from events."""
        from components.recommenders.sequence.private_training import private_architecture, train_privately

        if self.trainer.devices != 1:
            raise ContractError("sequence: private training runs on one device; set trainer.devices to 1")
        self.params, epochs = private_architecture(self.params), self.epochs or self.trainer.max_epochs
        n_users = len(np.unique(sequences.row))
        plan = PrivateSteps.plan(private.params, private.params.sequence_share, n_users, epochs, self.trainer.max_steps)
        none = interactions.filter(np.zeros(len(interactions), bool))  # no item has evidence of its own
        net = self._new_net(self.params, none, items, codes, n_codes)
        key = self._key(interactions, items, codes, (), repr(private.params))
        noise = NoiseSource(private.secret, key.encode())
        loader = SequenceLoader(sequences, self.trainer.batch_size, self.seed)
        with tempfile.TemporaryDirectory() as scratch:
            run = train_privately(net, loader, plan, self.trainer, noise, self.work or Path(scratch), key, self.board)
        self.curves, self.unfinished = run
        self.mechanism = plan.mechanism("sequence")
        self.event_shares = _event_shares(np.array([EVENTS.index(kind) for kind in private.kinds]))
        self._use(net.eval())
        return self

    def _use(self, net: Ensemble, device: torch.device | str = "cpu") -> None:
        """Take item vectors and transformers of the nets for scoring, the transformers on the device."""
        with torch.inference_mode():
            vectors = [member.items().detach().float().cpu().numpy() for member in net.nets]
        self.vectors: FloatArray = np.concatenate(vectors, axis=1)  # (n_items + 1, members * dim)
        self.transformers = [Transformer(self.params).eval().to(device) for _ in net.nets]
        for transformer, member in zip(self.transformers, net.nets, strict=True):
            transformer.load_state_dict({k: v.detach().float() for k, v in member.transformer.state_dict().items()})

    def _states(self, history: Ragged) -> FloatArray:
        """Return (n_users, members * dim): the states after each history, over the number of members.

        Each is averaged over the event heads by `event_shares`. Histories of similar lengths are batched together.
        """
        segments = newest_segments(history, self.params, self.price)
        lengths = segments.ends - segments.starts
        members, dim = self.params.members, self.params.dim
        states = np.zeros((len(lengths), members, dim), np.float32)
        order = np.argsort(lengths, kind="stable")
        device = next(self.transformers[0].parameters()).device
        vectors = torch.from_numpy(self.vectors).to(device).chunk(members, dim=1)
        for at in range(0, len(order), SCORING_BATCH):
            rows = order[at : at + SCORING_BATCH]
            packed = pack(segments, rows, lengths[rows]).on(device)
            for member, transformer in enumerate(self.transformers):
                with torch.inference_mode():
                    found = transformer.newest(vectors[member], packed)
                    for kind in np.flatnonzero(self.event_shares):  # without heads all kinds give the same states
                        state = transformer.apply_event_head(found, torch.tensor(kind, device=device))
                        states[rows, member] += self.event_shares[kind] / members * state.cpu().numpy()
        return states.reshape(len(lengths), members * dim)

    def _key(
        self,
        interactions: Interactions,
        items: Catalogue,
        codes: NDArray[np.int64],
        checked: tuple[Ragged, ...],
        private: str = "",
    ) -> str:
        """Return a digest of all that training depends on: a checkpoint with another key is not resumed."""
        assert items.embedding is not None
        trainer = self.trainer.model_dump_json(exclude=set(CHANGE_NO_STEP))
        code = sha256_files(sorted(Path(__file__).parent.glob("*.py")))
        about = f"{self.params!r}{trainer}{self.seed}{self.exclude_seen}{torch.__version__}{self.epochs}{private}{code}"
        arrays = [getattr(interactions, c) for c in ("user_idx", "item_idx", "timestamp", "event", "weight")]
        arrays += [getattr(rows, c) for rows in checked for c in ("offsets", "item_idx", "event")]
        vectors = [items.vectors[name] for name in sorted(items.vectors)] if items.vectors else []
        return sha256_arrays(about, [*arrays, items.embedding, codes, *vectors])


def _array_name(member: int, parameter: str) -> str:
    return f"net{member or ''}.{parameter}"


def _event_shares(events: NDArray[np.integer[Any]]) -> FloatArray:
    """Return (len(EVENTS),) the share of each kind among the codes of events (n,)."""
    kinds = np.bincount(events, minlength=len(EVENTS))
    share: FloatArray = (kinds / kinds.sum()).astype(np.float32)
    return share


def _validation_users(users: Users, exclude_seen: bool) -> Users:
    """Return the users of the validation after each epoch: a sample of those with a target left."""
    users = users.without_seen() if exclude_seen else users
    if not len(users):
        raise ContractError("sequence: no user of the validation window has a target left; widen split.validation_days")
    return users.subsample(VALIDATION_USERS)
