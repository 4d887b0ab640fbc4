"""The coordinator of a federation: closed-form models from two secure sums, then rounds of federated averaging."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from components.contracts import Catalogue, Record
from components.errors import ContractError
from components.federated.averaging import (
    ItemInputs,
    Weights,
    apply_updates,
    as_recommender,
    load_weights,
    new_net,
    read_weights,
    shared_names,
)
from components.federated.closed_form import ItemTotals, Models, fit_models, unpack_pairs
from components.federated.member import SECTIONS
from components.federated.messages import Channel, Message
from components.federated.secure_sum import SumOutcome, SumPlan, secure_sum
from components.federated.sum_member import SumPolicy
from components.io import write_json
from components.params import Params
from components.recommenders.ease import choose_items
from components.recommenders.sequence.recommender import SequenceRecommender

log = logging.getLogger("federated")


class CountingChannel(Channel, Protocol):
    """A channel that counts the bytes of all messages."""

    sent: int
    received: int


class SumReport(Record):
    """One sum: members that were asked and that are in it, bytes and seconds. The loss is that before the round."""

    purpose: str
    requested: int
    summed: int
    sent_bytes: int
    received_bytes: int
    seconds: float
    loss: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class FederatedModels:
    """What a run has learned."""

    closed_form: Models
    sequence: SequenceRecommender | None
    reports: tuple[SumReport, ...]

    def save(self, folder: Path) -> None:
        """Write each model to a folder of its own, and report.json."""
        models = {**self.closed_form, **({"sequence": self.sequence} if self.sequence else {})}
        for name, model in models.items():
            model.save(folder / name)
        write_json(folder / "report.json", {"sums": [report.model_dump() for report in self.reports]})


class Coordinator:
    """Runs sums over a channel. It reads its own catalogue, and no events."""

    def __init__(
        self, channel: CountingChannel, params: Params, catalogue: Catalogue, now: int, run: str,
        after_round: Callable[[int, SequenceRecommender], None] | None = None,
    ) -> None:  # fmt: skip
        """`now`: end of the training window (us); `run`: a name that no earlier run had."""
        self.channel, self.params, self.catalogue, self.now, self.run = channel, params, catalogue, now, run
        self.after_round = after_round
        self.inputs = ItemInputs.of(catalogue)
        self.policy = SumPolicy(params.federated.threshold, params.federated.min_clients)
        self.reports: list[SumReport] = []
        self.rng = np.random.default_rng(params.seed)

    def learn(self) -> FederatedModels:
        """Return what was learned of the members present; raises ContractError where too few are."""
        totals, closed_form = self._learn_sums()
        sequence = self._learn_rounds(totals) if self.params.federated.rounds else None
        if sequence is None:
            self.channel.ask("end", dict.fromkeys(self.channel.present(), Message()))
        return FederatedModels(closed_form, sequence, tuple(self.reports))

    def _learn_sums(self) -> tuple[ItemTotals, Models]:
        models, n_items = self.params.models, len(self.catalogue)
        size = len(ItemTotals.unpack(np.zeros(3 * (n_items + 1) + 6), n_items).pack())
        totals = ItemTotals.unpack(self._sum("items", Message(), size).total, n_items)
        chosen = choose_items(totals.taken, min(models.ease.max_items, self.params.federated.max_items))
        m = len(chosen)
        pairs = self._sum("pairs", Message(arrays={"chosen": chosen}), m * (m + 1) // 2 + m * m)
        matrices = unpack_pairs(pairs.total, m)
        return totals, fit_models(totals, chosen, matrices, models, self.catalogue, self.now)

    def _learn_rounds(self, totals: ItemTotals) -> SequenceRecommender:
        net = new_net(self.inputs, totals.count, self.params)
        names = shared_names(net, self.params.federated.local_parts)
        weights = read_weights(net, names)
        for number in range(self.params.federated.rounds):
            request = Message({"round": number}, {"weights": weights, "count": totals.count})
            try:
                outcome = self._sum("round", request, len(weights) + 2)
                weights, loss = apply_updates(weights, outcome.total)
            except ContractError as error:
                log.warning("round %d is left out: %s", number, error)
                continue
            self.reports[-1] = self.reports[-1].model_copy(update={"loss": loss})
            log.info("round %d: loss %.4f", number, loss)
            load_weights(net, names, weights)
            if self.after_round is not None:
                self.after_round(number, as_recommender(net, totals, self.inputs.price, self.params))
        if all(report.loss is None for report in self.reports):
            raise ContractError("federated: no round had enough members; see the log")
        self._end(weights, totals)
        return as_recommender(net, totals, self.inputs.price, self.params)

    def _sum(self, purpose: str, request: Message, size: int) -> SumOutcome:
        """Run one sum over a draw of the members present, and report it."""
        names = self._draw(self._start_present(), purpose)
        message = Message({"purpose": purpose, **request.fields}, request.arrays)
        plan = SumPlan(f"{self.run}/{len(self.reports)}", message, size, self.policy)
        before, started = (self.channel.sent, self.channel.received), time.perf_counter()
        problem, summed = None, 0
        try:
            outcome = secure_sum(self.channel, plan, names)
            summed = len(outcome.summed)
            return outcome
        except ContractError as error:
            problem = str(error)
            raise
        finally:
            report = SumReport(
                purpose=purpose, requested=len(names), summed=summed, sent_bytes=self.channel.sent - before[0],
                received_bytes=self.channel.received - before[1],
                seconds=round(time.perf_counter() - started, 3), problem=problem,
            )  # fmt: skip
            self.reports.append(report)
            log.info("%s: %d of %d members, %d bytes sent, %d received", purpose, summed, len(names),
                     report.sent_bytes, report.received_bytes)  # fmt: skip

    def _draw(self, names: list[str], purpose: str) -> list[str]:
        """Return the members that are asked: for a round a random share, at least min_clients; else all."""
        if purpose != "round":
            return names
        n = max(self.policy.count_needed(1), round(self.params.federated.client_share * len(names)))
        return sorted(self.rng.permutation(names)[:n].tolist())

    def _start_present(self) -> list[str]:
        """Return the members that wait for requests of this run, after those that came anew have started it."""
        present = self.channel.present()
        new = [name for name, run in present.items() if run != self.run]
        ready = set(present) - set(new)
        if new:
            sections = {name: getattr(self.params, name).model_dump(mode="json") for name in SECTIONS}
            fields = {"run": self.run, "item_ids": self.catalogue.item_id, "now": self.now, "params": sections}
            fields |= {"seed": self.params.seed, "n_codes": self.inputs.n_codes}
            started = self.channel.ask("start", dict.fromkeys(new, Message(fields, self.inputs.arrays())))
            log.info("%d of %d members have started", len(started), len(new))
            ready |= set(started)
        return sorted(ready)

    def _end(self, weights: Weights, totals: ItemTotals) -> None:
        message = Message(arrays={"weights": weights, "totals": totals.pack()})
        self.channel.ask("end", dict.fromkeys(self._start_present(), message))
