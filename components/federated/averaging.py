"""Federated averaging of the sequence model: local training, and the mean of updates weighted by events.

Source: McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks from Decentralized Data", algorithm 1.
The item graph is left out: it is made of the events of all users.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from components.contracts import Catalogue, FloatArray, Interactions
from components.errors import ContractError
from components.federated.closed_form import ItemTotals
from components.federated.messages import Message
from components.params import LocalPart, Params
from components.recommenders.sequence.attributes import attribute_codes, price_levels
from components.recommenders.sequence.batching import SequenceLoader, Sequences, training_sequences
from components.recommenders.sequence.model import Items, Net, Transformer
from components.recommenders.sequence.profile import centred
from components.recommenders.sequence.recommender import SequenceRecommender
from components.recommenders.sums import Sums
from components.reproducible import reproducible

Weights = NDArray[np.float32]


@dataclass(frozen=True)
class ItemInputs:
    """What the network reads of the catalogue: no events."""

    embedding: FloatArray  # (n_items + 1, text dim)
    codes: NDArray[np.int64]  # (n_items + 1, width) of attributes
    n_codes: int
    price: FloatArray  # (n_items + 1,) level of each product

    @classmethod
    def of(cls, catalogue: Catalogue) -> "ItemInputs":
        """Return the inputs of a catalogue with embeddings; raises ContractError without."""
        if catalogue.embedding is None:
            raise ContractError("federated: the catalogue has no embeddings; run the stage `encode`")
        return cls(catalogue.embedding, *attribute_codes(catalogue), centred(price_levels(catalogue)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that a message carries."""
        return {"embedding": self.embedding, "codes": self.codes, "price": self.price}

    @classmethod
    def of_message(cls, message: Message) -> "ItemInputs":
        """Return the inputs that a message carries; raises ContractError."""
        try:
            arrays = [message.arrays[name] for name in ("embedding", "codes", "price")]
        except KeyError as error:
            raise ContractError(f"federated: the message has no array {error}") from None
        embedding, codes, price = arrays
        return cls(embedding, codes, message.get("n_codes", int), price)


@reproducible(threads=1)
def new_net(inputs: ItemInputs, count: Sums, params: Params) -> Net:
    """Return the untrained network; equal for all members, as it depends on seed and sums alone.

    count: (n_items + 1,) events of each product in all members' windows.
    """
    torch.manual_seed(params.seed)
    evidence = torch.from_numpy(count.astype(np.float32))
    text, codes = torch.from_numpy(inputs.embedding.copy()), torch.from_numpy(inputs.codes.copy())
    table = Items(text, codes, inputs.n_codes, evidence, params.models.sequence)
    if "item_ids" in params.federated.local_parts:  # what no member has learned is zero, not random
        torch.nn.init.zeros_(table.own.weight)
    return Net(table, Transformer(params.models.sequence), params.models.sequence)


def shared_names(net: Net, local_parts: list[LocalPart]) -> list[str]:
    """Return the names of the parameters that travel: all but those of the local parts."""
    last = len(net.transformer.blocks) - 1
    prefixes = {
        "item_ids": ("items.own.",),
        "event_heads": ("transformer.heads.",),
        "last_block": (f"transformer.blocks.{last}.", "transformer.norm."),
    }
    local = tuple(prefix for part in local_parts for prefix in prefixes[part])
    return [name for name, _ in net.named_parameters() if not name.startswith(local)]


def read_weights(net: Net, names: list[str]) -> Weights:
    """Return the named parameters end to end."""
    parameters = dict(net.named_parameters())
    flat: Weights = torch.cat([parameters[name].detach().reshape(-1) for name in names]).numpy().copy()
    return flat


def load_weights(net: Net, names: list[str], weights: Weights) -> None:
    """Load what `read_weights` returned; raises ContractError for another length or values that are not finite."""
    parameters = dict(net.named_parameters())
    sizes = [parameters[name].numel() for name in names]
    if weights.shape != (sum(sizes),) or not np.isfinite(weights).all():
        raise ContractError(f"federated: expected {sum(sizes)} finite weights, got {weights.shape}")
    with torch.no_grad():
        for name, part in zip(names, np.split(weights, np.cumsum(sizes)[:-1]), strict=True):
            parameters[name].copy_(torch.from_numpy(part.copy()).view_as(parameters[name]))


class LocalTrainer:
    """A member's net and events; parts that stay local keep their weights from round to round."""

    def __init__(self, net: Net, events: Interactions, price: FloatArray, params: Params) -> None:
        self.net, self.params = net, params
        self.sequences: Sequences = training_sequences(events, params.models.sequence, price)
        if not len(self.sequences.starts):
            raise ContractError("federated: no known user has an event in the training window; widen it")
        self.names = shared_names(net, params.federated.local_parts)
        self.n_events = len(self.sequences.item)

    def update(self, weights: Weights, number: int) -> Sums:
        """Return the update of this round times the events, then the events, and the loss times the events."""
        load_weights(self.net, self.names, weights)
        loss = self._train(number)
        change = read_weights(self.net, self.names).astype(np.float64) - weights
        norm, limit = float(np.linalg.norm(change)), self.params.federated.clip_norm
        if limit is not None and norm > limit:
            change *= limit / norm
        return np.concatenate([change * self.n_events, [self.n_events, loss * self.n_events]])

    @reproducible(threads=1)
    def _train(self, number: int) -> float:
        """Train local_epochs; return the mean loss of the first of them, which is that of the averaged model."""
        torch.manual_seed((self.params.seed * 1_000_003 + number) % 2**63)
        trainer = self.params.trainer
        optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=trainer.learning_rate, weight_decay=trainer.weight_decay
        )
        loader = SequenceLoader(self.sequences, trainer.batch_size, self.params.seed)
        epochs, losses = self.params.federated.local_epochs, []
        self.net.train()
        for epoch in range(number * epochs, (number + 1) * epochs):
            loader.epoch = epoch
            for batch, _ in loader:
                optimizer.zero_grad()
                loss = self.net.loss(*batch)
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(self.net.parameters(), trainer.gradient_clip)
                optimizer.step()
                losses.append(float(loss.detach()))
        return float(np.mean(losses[: max(1, len(losses) // epochs)]))


def apply_updates(weights: Weights, total: Sums) -> tuple[Weights, float]:
    """Return the weights plus the mean update, and the mean loss; raises ContractError where no events were learned."""
    events = total[-2]
    if events < 0.5:
        raise ContractError("federated: the members of this round have no events")
    mean: Weights = (weights + total[:-2] / events).astype(np.float32)
    return mean, float(total[-1] / events)


def as_recommender(net: Net, totals: ItemTotals, price: FloatArray, params: Params) -> SequenceRecommender:
    """Return the model of the net; kinds of event weigh the heads as often as they occur in training."""
    shares = (totals.kinds / totals.kinds.sum()).astype(np.float32)
    return SequenceRecommender.from_params(params).use_net(net, price, shares)
