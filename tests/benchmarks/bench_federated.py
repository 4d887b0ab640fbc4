"""Federated models against central ones on a small simulated shop: NDCG@10, bytes a round, CPU seconds.

    python tests/benchmarks/bench_federated.py [--clients 10 100] [--rounds 20] [--drawn 20] [--set a.b=c ...]

Each client has an equal number of users, drawn at random; at most --drawn clients take part in a round. Members and
coordinator run in this process, one after the other; messages are packed as for HTTP. Unless --no-drops, a fifth of the
members drops out of each round before it sends masked values; in any case a fifth drops out of the sum of pairs that is
compared with the central one. Product vectors are random. The central sequence model has the same parameters, is
trained by Lightning, and keeps its best validated epoch; the federated one is that of the last round.
Exits 1 where a sum differs by more than 1e-6, or NDCG falls by more than 10 %.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.contracts import Catalogue, FloatArray, Interactions, Recommender, Users
from components.data.shop import write_shop
from components.data.snapshot import take_snapshot
from components.data.split import make_split
from components.data.tables import read_catalogue, read_interactions, read_users
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank, window_users
from components.federated.closed_form import unpack_pairs
from components.federated.coordinator import Coordinator, FederatedModels, SumReport
from components.federated.member import Member
from components.federated.messages import Message
from components.params import Params, load
from components.recommenders.ease import EaseRecommender, choose_items, seen_once
from components.recommenders.sequence.recommender import SequenceRecommender
from components.recommenders.sums import TrainingSums
from components.recommenders.transitions import TransitionsRecommender, count_transitions
from tests.components.federated.support import LocalChannel

CHECKOUT = Path(__file__).resolve().parents[2]
DIM, TOLERANCE, MAX_LOSS = 64, 1e-6, 0.1
SMALL = [
    "shop.n_users=1500", "shop.n_items=200", "shop.days=90", "split.validation_days=10", "split.test_days=10",
    "models.sequence.dim=32", "models.sequence.blocks=1", "models.sequence.item_graph_neighbours=0",
    "models.sequence.max_length=30", "trainer.batch_size=128", "trainer.learning_rate=0.003", "trainer.accelerator=cpu",
    "federated.local_epochs=4",
]  # fmt: skip
Shop = tuple[Interactions, Catalogue, Users, Users]


class DroppingChannel(LocalChannel):
    """A fifth of those that are asked for masked values do not answer; they are back for the next sum.

    purposes: of the sums in which they drop out.
    """

    purposes: tuple[str, ...] = ("round",)
    purpose = ""

    def ask(self, step: str, requests: Mapping[str, Message]) -> dict[str, Message]:
        """Return the answers of the others."""
        self.transcript.clear()
        left = dict(requests)
        if step == "keys":
            self.purpose = next(iter(requests.values())).get("purpose", str)
        if step == "masked" and self.purpose in self.purposes:
            gone = np.random.default_rng(self.sent).permutation(sorted(left))[: len(left) // 5]
            left = {name: request for name, request in left.items() if name not in set(gone.tolist())}
        return super().ask(step, left)


def read_shop(folder: Path, overrides: list[str]) -> tuple[Params, Shop]:
    """Make the simulated shop in the folder; return its parameters, training events, products and users."""
    params = load(CHECKOUT / "params.yaml", overrides=[*SMALL, *overrides])
    with chdir(folder):
        write_shop(params.shop, params.seed, Path("data/raw"))
        for name in ("snapshot", "split"):
            Path(f"data/{name}").mkdir()
        take_snapshot(params.data, Path(), Path("data/snapshot"), Path("data/quarantine"))
        split = Path("data/split")
        make_split(Path("data/snapshot"), split, params.split, params.data.as_of, params.data.memory_gib)
        events, catalogue = read_interactions(split), read_catalogue(split)
        users = read_users(split, "validation"), window_users(split, "test", params.recommend.exclude_seen)
    vectors = np.random.default_rng(params.seed).normal(size=(events.n_items + 1, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[0] = 0
    return params, (events, replace(catalogue, embedding=vectors), *users)


def ndcg(model: Recommender, users: Users, params: Params, n_items: int) -> FloatArray:
    """Return NDCG@10 of each user."""
    lists = rank(model, users, 10, params.recommend.exclude_seen, n_items, params.recommend.batch_users)
    return per_user(lists, users.ground_truth, [10])["ndcg_at_10"]


def make_clients(params: Params, shop: Shop, n: int) -> dict[str, Member]:
    """Return n members, each with the events of its users."""
    events, catalogue = shop[:2]
    owner = np.random.default_rng(params.seed).permutation(np.arange(events.n_users + 1) % n)
    keys = {f"shop-{i:03}": Ed25519PrivateKey.generate() for i in range(n)}
    public = {name: key.public_key() for name, key in keys.items()}
    return {
        name: Member(name, key, public, params, (events.filter(owner[events.user_idx] == i), catalogue))
        for i, (name, key) in enumerate(keys.items())
    }


def federate(params: Params, shop: Shop, n: int, drawn: int, drops: bool) -> tuple[FederatedModels, float]:
    """Return what n clients have learned, and the CPU seconds of all of them and the coordinator."""
    share = min(1.0, drawn / n)
    params = params.model_copy(update={"federated": params.federated.model_copy(update={"client_share": share})})
    channel = DroppingChannel(make_clients(params, shop, n))
    channel.purposes = ("round",) if drops else ()
    started = time.process_time()
    models = Coordinator(channel, params, shop[1], shop[0].now, "bench").learn()
    return models, time.process_time() - started


def largest_difference(params: Params, shop: Shop, n: int) -> float:
    """Return the largest difference of secure and central sums of EASE and transitions, with a fifth dropping out."""
    clients = make_clients(params, shop, n)
    channel = DroppingChannel(clients)
    channel.purposes = ("pairs",)
    coordinator = Coordinator(channel, params, shop[1], shop[0].now, "sums")
    chosen = choose_items(seen_once(TrainingSums.of(shop[0])).sum(axis=0).A1, params.federated.max_items)
    m = len(chosen)
    size = m * (m + 1) // 2 + m * m
    outcome = coordinator._sum("pairs", Message(arrays={"chosen": chosen}), size)
    gram, counts = unpack_pairs(outcome.total, m)
    users = np.unique(np.concatenate([clients[name].events.user_idx for name in outcome.summed]))
    left = shop[0].filter(np.isin(shop[0].user_idx, users))
    seen = seen_once(TrainingSums.of(left))[:, chosen].astype(np.float64)
    central = count_transitions(left.by_user(), left.n_items, params.models.transitions)[chosen][:, chosen].toarray()
    print(f"{n} clients: {len(outcome.summed)} of them in the sum", end="; ")
    return float(max(np.abs(gram - (seen.T @ seen).toarray()).max(), np.abs(counts - central).max()))


def mean_bytes(reports: list[SumReport]) -> str:
    """Return the mean bytes to and from each member that was asked."""
    to, back = (sum(r.sent_bytes for r in reports), sum(r.received_bytes for r in reports))
    n = max(1, sum(r.requested for r in reports))
    return f"{to / n / 1000:.0f} | {back / n / 1000:.0f}"


def main() -> int:
    """Print the tables; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--drawn", type=int, default=20, help="clients in a round, at most")
    parser.add_argument("--no-drops", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=c")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        params, shop = read_shop(Path(folder), [f"federated.rounds={options.rounds}", *options.set])
    events, catalogue, validation, test = shop
    print(
        f"{len(events)} events of {events.n_users} users, {len(catalogue)} products; {len(test)} test users", flush=True
    )
    failed = False
    central: dict[str, FloatArray] = {}
    for kind in (EaseRecommender, TransitionsRecommender, SequenceRecommender):
        started = time.process_time()
        model = kind.from_params(params).fit(events, catalogue, validation)
        central[kind.name] = ndcg(model, test, params, events.n_items)
        seconds = time.process_time() - started
        print(f"central {kind.name}: NDCG@10 {central[kind.name].mean():.4f}, {seconds:.1f} CPU seconds")
    print(
        "| clients | model | NDCG@10 | of central | difference (95 %) | kB to a client | kB from it | CPU seconds |",
        flush=True,
    )
    for n in options.clients:
        difference = largest_difference(params, shop, n)
        print(f"largest difference of a sum {difference:.1e}", flush=True)
        models, seconds = federate(params, shop, n, options.drawn, not options.no_drops)
        found = {**models.closed_form, "sequence": models.sequence}
        for name in central:
            assert found[name] is not None
            value = ndcg(found[name], test, params, events.n_items)
            of_central, paired = value.mean() / central[name].mean(), value - central[name]
            interval = 1.96 * paired.std() / np.sqrt(len(paired))
            failed |= difference > TOLERANCE or of_central < 1 - MAX_LOSS
            reports = [r for r in models.reports if (r.purpose == "round") == (name == "sequence")]
            difference_text = f"{paired.mean():+.4f} ± {interval:.4f}"
            row = (n, name, f"{value.mean():.4f}", f"{of_central:.3f}", difference_text, mean_bytes(reports))
            print("| " + " | ".join(map(str, row)) + f" | {seconds:.0f} |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
