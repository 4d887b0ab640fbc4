"""A member of a federation: a shop or a device that answers a coordinator from its own events."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from components.contracts import Catalogue, Interactions
from components.errors import ContractError
from components.federated.answers import MemberAnswers
from components.federated.averaging import ItemInputs, LocalTrainer, as_recommender, load_weights, new_net
from components.federated.closed_form import ItemTotals, pair_values, translate_events
from components.federated.keys import Members
from components.federated.messages import Message
from components.federated.sum_member import SumPolicy
from components.io import describe_problems
from components.params import FederatedParams, ModelsParams, Params, TrainerParams
from components.recommenders.sums import Sums

log = logging.getLogger("federated")
SECTIONS: dict[str, Any] = {"models": ModelsParams, "trainer": TrainerParams, "federated": FederatedParams}


class Member:
    """Answers each request of one run at most once; it sends public keys, masked values and shares, nothing else."""

    def __init__(
        self,
        name: str,
        identity: Ed25519PrivateKey,
        members: Members,
        params: Params,
        data: tuple[Interactions, Catalogue],
        out: Path | None = None,
    ) -> None:
        """Take this member's training events and their catalogue; `out` receives the final model."""
        self.params, self.data, self.out = params, data, out
        self.policy = SumPolicy(params.federated.threshold, params.federated.min_clients)
        self.sums = MemberAnswers(name, identity, members, self.policy, self._compute)
        self.run = ""
        self.runs: set[str] = set()
        self.is_done = False

    def answer(self, step: str, message: Message) -> Message:
        """Return the answer; raises ContractError where the request is refused."""
        if step == "start":
            return self._start(message)
        if not self.run:
            raise ContractError(f"federated: step {step!r} before step 'start'")
        if step == "end":
            return self._end(message)
        if step == "keys" and not str(message.fields.get("session")).startswith(f"{self.run}/"):
            raise ContractError("federated: refused: a sum of another run")
        return self.sums.answer(step, message)

    def _start(self, message: Message) -> Message:
        """Take catalogue and parameters of the run; the policy of sums is this member's own."""
        run = message.get("run", str)
        if run in self.runs:
            raise ContractError("federated: refused: a run is started once")
        self.shared = _merge(self.params, message)
        theirs = SumPolicy(self.shared.federated.threshold, self.shared.federated.min_clients)
        if theirs != self.policy:
            raise ContractError(
                f"federated: refused: the coordinator's threshold and min_clients are {tuple(theirs)}, this member's "
                f"{tuple(self.policy)}; agree on federated.threshold and federated.min_clients"
            )
        item_ids = [str(item_id) for item_id in message.get("item_ids", list)]
        events, catalogue = self.data
        self.now = message.get("now", int)
        self.events = translate_events(events, catalogue.item_id, item_ids, self.now)
        log.info("%d of %d events are on the shared catalogue, before its end", len(self.events), len(events))
        self.inputs = ItemInputs.of_message(message)
        self.trainer: LocalTrainer | None = None
        self.purposes: set[str] = set()
        self.run = run
        self.runs.add(run)
        return Message()

    def _compute(self, request: Message) -> Sums:
        """Return this member's values; a purpose is answered once per run, so that no two sums differ by one member."""
        purpose = request.get("purpose", str)
        number = request.fields.get("round", 0)
        if f"{purpose} {number}" in self.purposes:
            raise ContractError(f"federated: refused: {purpose} {number} was already summed in this run")
        self.purposes.add(f"{purpose} {number}")
        compute: Callable[[Message], Sums] | None = {
            "items": self._item_values, "pairs": self._pair_values, "round": self._round_values,
        }.get(purpose)  # fmt: skip
        if compute is None:
            raise ContractError(f"federated: unknown purpose {purpose!r}; install the same version on all machines")
        return compute(request)

    def _item_values(self, _: Message) -> Sums:
        return ItemTotals.of(self.events, self.shared.models.popularity.half_life_days).pack()

    def _pair_values(self, request: Message) -> Sums:
        return pair_values(self.events, request.array("chosen", np.int32), self.shared.models)

    def _round_values(self, request: Message) -> Sums:
        if self.trainer is None:
            net = new_net(self.inputs, request.array("count", np.float64, self.events.n_items + 1), self.shared)
            self.trainer = LocalTrainer(net, self.events, self.inputs.price, self.shared)
        return self.trainer.update(request.array("weights", np.float32), request.get("round", int))

    def _end(self, message: Message) -> Message:
        """Save the final model with this member's local parts, where there is one and a folder for it."""
        self.is_done = True
        if "weights" in message.arrays and self.out is not None:
            weights = message.array("weights", np.float32)
            totals = ItemTotals.unpack(message.array("totals", np.float64), self.events.n_items)
            net = self.trainer.net if self.trainer else new_net(self.inputs, totals.count, self.shared)
            trainer = self.trainer or LocalTrainer(net, self.events, self.inputs.price, self.shared)
            load_weights(net, trainer.names, weights)
            as_recommender(net, totals, self.inputs.price, self.shared).save(self.out / "sequence")
        return Message()


def _merge(params: Params, message: Message) -> Params:
    """Return this member's parameters with the sections of the coordinator; raises ContractError."""
    sections = message.get("params", dict)
    try:
        parts = {name: section.model_validate(sections.get(name)) for name, section in SECTIONS.items()}
    except ValidationError as error:
        problems = describe_problems(error)
        raise ContractError(f"federated: parameters of the coordinator are wrong ({problems})") from None
    return params.model_copy(update={**parts, "seed": message.get("seed", int)})
