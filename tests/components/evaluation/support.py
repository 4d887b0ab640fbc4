"""A split on disk, as the stage `split` writes it, and recommenders whose quality is known."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts import BoolArray, Ranked, Users
from components.data.tables import SplitInfo
from components.params import Params, load
from components.times import DAY_US

START = 1_760_000_000_000_000
N_ITEMS, N_USERS = 40, 60


@dataclass
class Fake:
    """Ranks items by `score(user_idx, item)`, seen items left out; `broken` alters its output."""

    name: str
    score: Callable[[np.ndarray], np.ndarray]  # user_idx (n,) -> (n, N_ITEMS + 1)
    broken: Callable[[Ranked], Ranked] = lambda ranked: ranked
    asked: list[Users] = field(default_factory=list)

    def recommend(self, users: Users, k: int, exclude_seen: bool = True, candidates: BoolArray | None = None) -> Ranked:
        self.asked.append(users)
        scores = self.score(users.user_idx).astype(np.float32)
        scores[:, 0] = -np.inf
        if exclude_seen:
            for i in range(len(users)):
                scores[i, users.history.row(i)] = -np.inf
        items = np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int32)
        values = np.take_along_axis(scores, items, axis=1)
        items[np.isneginf(values)] = 0
        return self.broken(Ranked(items, values))


def oracle(hits: float = 1.0, seed: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """Prefer the user's own colour (odd user, odd item) for a share of the users; otherwise item order."""

    def score(user_idx: np.ndarray) -> np.ndarray:
        items = np.arange(N_ITEMS + 1)
        own = items[None] % 2 == user_idx[:, None] % 2
        knows = np.random.default_rng(seed).random(N_USERS + 1)[user_idx] < hits
        return np.where(own & knows[:, None], 100, 0) - items[None] * 0.01

    return score


def one_list(user_idx: np.ndarray) -> np.ndarray:
    """The same list for all users."""
    return np.tile(-np.arange(N_ITEMS + 1, dtype=float), (len(user_idx), 1))


def write_split(folder: Path, protocol: str = "global_time", **titles: str) -> Path:
    """60 users, 40 items: colours as in the checkerboard; user 1 is new, item 40 is never sold in training."""
    rng = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    ends = {"train": START + 30 * DAY_US, "validation": START + 40 * DAY_US, "test": START + 50 * DAY_US}
    starts = {"train": START, "validation": ends["train"], "test": ends["validation"]}
    counts = {"train": 6, "validation": 2, "test": 3}
    rows: dict[str, list[tuple[int, ...]]] = {w: [] for w in ends}
    for user in range(1, N_USERS + 1):
        own = rng.permutation([i for i in range(1, N_ITEMS) if i % 2 == user % 2])
        for window, items in zip(counts, np.split(own[:11], [6, 8]), strict=True):
            if user == 1 and window != "test":
                continue
            rows[window] += [(user, int(item), starts[window] + n * DAY_US, 2, 1) for n, item in enumerate(items)]
        rows["test"].append((user, 40 if user % 2 == 0 else int(own[0]), starts["test"] + 8 * DAY_US, 2, 1))
    rows["train"].insert(0, (0, 2, START, 0, 0))  # an anonymous view
    for window, events in rows.items():
        columns = np.array(sorted(events, key=lambda e: (e[0], e[2])), dtype=np.int64).T
        table = pa.table(
            {
                "user_idx": columns[0].astype(np.int32),
                "item_idx": columns[1].astype(np.int32),
                "timestamp": columns[2],
                "event": columns[3].astype(np.int8),
                "weight": np.ones(len(events), np.float32),
                "target": columns[4].astype(bool),
            }
        )
        pq.write_table(table, folder / f"{window}.parquet", write_page_checksum=True)
    _write_items(folder, titles)
    info = SplitInfo(
        protocol=protocol, train_end=ends["train"], validation_end=ends["validation"], test_end=ends["test"],
        n_users=N_USERS, n_items=N_ITEMS, max_history=200, simulated=True,
    )  # fmt: skip
    (folder / "split.json").write_text(info.model_dump_json())
    return folder


def _write_items(folder: Path, titles: dict[str, str]) -> None:
    items = range(1, N_ITEMS + 1)
    columns: dict[str, Any] = {
        "item_idx": list(items),
        "item_id": [f"sku-{i}" for i in items],
        "title": [titles.get(f"item_{i}", f"thing {i}") for i in items],
        "description": [""] * N_ITEMS,
        "brand": [""] * N_ITEMS,
        "category": [""] * N_ITEMS,
        "language": ["zh" if i % 3 == 0 else "en" if i % 3 == 1 else "" for i in items],
        "price": [1.0] * N_ITEMS,
    }
    pq.write_table(pa.table(columns), folder / "items.parquet", write_page_checksum=True)


def edit(split: Path, window: str, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> None:
    """Rewrite one window of a split."""
    table = pq.read_table(split / f"{window}.parquet")
    columns = {c: table[c].to_numpy(zero_copy_only=False).copy() for c in table.column_names}
    pq.write_table(pa.table(change(columns)), split / f"{window}.parquet", write_page_checksum=True)


def small_params(*overrides: str) -> Params:
    """The shipped parameters, on three models and short lists."""
    root = Path(__file__).parents[3]
    return load(
        root / "params.yaml",
        overrides=[
            "evaluation.candidates=[ease, als]", "evaluation.baselines=[popularity]", "evaluation.ks=[2, 5]",
            "evaluation.primary=ndcg_at_5", "recommend.batch_users=7", "gate.resamples=200", *overrides,
        ],
    )  # fmt: skip
