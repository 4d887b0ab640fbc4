"""Makes the files in this folder with the code of version 0.1; README.md says how. It does not run with later code."""

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from components.recommenders.library import create
from components.recommenders.nearest import Nearest
from components.recommenders.newcomers import Newcomers
from components.serving.state import Happened
from make_shop import AS_OF, NOW_US, write_shop  # the folder of a script is on the path
from scipy.sparse import csr_matrix

from components.language.sentiment import SentimentHead
from components.monitoring import windows
from components.params import load
from components.profiles.definitions import item_numbers, item_rates, user_numbers
from components.profiles.features import ProfileInfo, Scaling
from components.ranking.examples import Examples
from components.ranking.features import Cares, Known
from components.ranking.ranker import Ranker
from components.release.bundle import BundleInfo, EncoderInfo, build_bundle, open_bundle
from components.search.index import SearchIndex
from tests.conftest import checkerboard, ragged

ROOT = Path("/") if len(sys.argv) < 2 else Path(sys.argv[1])  # a checkout of version 0.1
HERE = Path(__file__).parent
PARTS = ["popularity", "neighbours", "als", "ease", "content", "interests", "sequence"]
OVERRIDES = [
    "models.ease.l2=5",
    "models.als.factors=2",
    "models.content.dims=4",
    "models.sequence.dim=8",
    "models.sequence.blocks=1",
    "models.sequence.max_length=8",
    "models.sequence.memory=4",
    "models.sequence.graph=2",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "ranking.batch_size=64",
    "ranking.max_epochs=1",
    "nearest.from_items=10",
    "nearest.connectivity=4",
    "nearest.expansion_add=16",
    "nearest.expansion_search=16",
]
HISTORIES = [[], [1, 3], [2, 4, 6, 8]]  # items of the users that the test asks about


def main() -> None:
    params = load(ROOT / "params.yaml", overrides=OVERRIDES)
    work = HERE / "work"
    for folder in (work, HERE / "bundle", HERE / "shop"):
        shutil.rmtree(folder, ignore_errors=True)
    interactions, catalogue, users = checkerboard()
    create("popularity", params).fit(interactions, catalogue, users).save(work / "popularity")
    hybrid: Any = create("hybrid", params)
    for part in hybrid.parts.values():
        part.fit(interactions, catalogue, users)
    hybrid.n_items = interactions.n_items
    hybrid.weights = np.array([[1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1]], np.float32) / 28  # every part is shipped
    hybrid.newcomers = Newcomers.of(interactions, catalogue, params.models.hybrid.newcomer_lenders)
    hybrid.newcomers.share = 0.5
    hybrid.save(work / "hybrid")
    write_split(work, catalogue)
    make_ranker(work, params)
    SearchIndex.build(catalogue, params.search).save(work / "search")
    Nearest.build(catalogue.embedding, params.nearest).save(work / "nearest")
    SentimentHead(np.arange(8, dtype=np.float64) / 8, 0.1, 1.5, -0.2, "0" * 64).save(work / "features/sentiment")
    write_reference(work / "reference.parquet")
    info = BundleInfo(
        model="hybrid",
        as_of=AS_OF,
        train_end=interactions.now,
        validation_end=interactions.now + 1,
        n_items=interactions.n_items,
        max_history=50,
        exclude_seen=True,
        weights={"view": 0.3, "purchase": 1.0},
        simulated=True,
        encoder=EncoderInfo(model="minilm", digest="0" * 64, dim=8, max_tokens=8),
        profiles=params.profiles,
        nearest=params.nearest,
    )
    folders = {name: work / name for name in ("ranker", "search", "nearest")}
    digest = build_bundle(
        HERE / "bundle",
        model=work / "hybrid",
        fallback=work / "popularity",
        split=work / "split",
        features=work / "features",
        drift_reference=work / "reference.parquet",
        info=info,
        encoder=None,
        **folders,
    )
    write_shop(HERE / "shop", digest)
    (HERE / "expected.json").write_text(json.dumps(expected(digest), indent=1) + "\n")
    shutil.rmtree(work)


def write_split(work: Path, catalogue: Any) -> None:
    (work / "split").mkdir(parents=True)
    (work / "features").mkdir()
    n = len(catalogue)
    columns = {c: getattr(catalogue, c)[1:] for c in ("item_id", "title", "brand", "category", "language", "price")}
    columns |= {"item_idx": np.arange(1, n + 1, dtype=np.int32), "description": [""] * n}
    pq.write_table(pa.table(columns), work / "split/items.parquet", write_page_checksum=True)
    from safetensors.numpy import save_file

    save_file({"embedding": catalogue.embedding.astype(np.float16)}, work / "features/items.safetensors")


def scaling(columns: list[Any]) -> Scaling:
    n = len(columns)
    names, nullable = [c.name for c in columns], [c.nullable for c in columns]
    return Scaling(columns=names, nullable=nullable, log=[c.log for c in columns], mean=[0.0] * n, std=[1.0] * n)


def make_ranker(work: Path, params: Any) -> None:
    """Fit the ranker on drawn examples of 40 users and 20 products."""
    rng = np.random.default_rng(0)
    n_users, n_items, n = 40, 20, 1000
    columns = list(user_numbers(params.profiles)), [*item_numbers(params.profiles), *item_rates()]
    info = ProfileInfo(cut=NOW_US, users=scaling(columns[0]), items=scaling(columns[1]))
    widths = len(info.users.names), len(info.items.names)
    text = [rng.normal(size=(rows, 8)).astype(np.float32) for rows in (n_users + 1, n_items + 1)]
    for rows in text:
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    profiles = [rng.normal(size=s).astype(np.float32) for s in zip((n_users + 1, n_items + 1), widths, strict=True)]
    colour = (np.arange(n_items + 1) % 2).astype(np.int32)
    cares = Cares(colour, csr_matrix(rng.random((n_users + 1, 2)).astype(np.float32)))
    known = Known(*text, *profiles, cares, cares)
    user, item = (rng.integers(1, size + 1, n).astype(np.int32) for size in (n_users, n_items))
    click = rng.random(n) < np.where(user % 2 == item % 2, 0.6, 0.1)
    cart = click & (rng.random(n) < 0.5)
    labels = np.stack([click, cart, cart & (rng.random(n) < 0.5)], axis=1).astype(np.float32)
    place = rng.integers(0, 10, n).astype(np.float32)
    examples = Examples(user, item, place, np.arange(n, dtype=np.int64), labels)
    Ranker(params.ranking).fit(examples, known, 0).save(work / "ranker")
    (work / "ranker/profiles.json").write_text(info.model_dump_json(indent=1) + "\n")


def write_reference(path: Path) -> None:
    rows = {c: pa.array(["a", "b", "a"]) for c in windows.CATEGORIES}
    rows |= {c: pa.array([0.0, 0.5, 1.0]) for c in windows.NUMBERS}
    window = windows.Window(start=AS_OF, end=AS_OF, days=14.0, n_events=3, events_per_day=0.2, history_days=30.0)
    windows.save(windows.Sample(pa.table(rows), window), path)


def expected(digest: str) -> dict[str, Any]:
    """Return the results of version 0.1 on its own files."""
    from components.serving.people import People

    from components.contracts import Users
    from components.language.sentiment import SentimentHead

    bundle = open_bundle(HERE / "bundle", digest)
    users = Users(np.zeros(len(HISTORIES), np.int32), ragged(HISTORIES), now=10 * 86_400_000_000)
    scores, listed = bundle.model.score(users), bundle.model.recommend(users, 5)
    hybrid: Any = bundle.model
    added = hybrid.why(users, np.array([1, 2, 20], np.int32))
    query, vectors = np.eye(8, dtype=np.float32)[0], bundle.catalogue.embedding
    hits = bundle.search.search("even blue", 5, (query, vectors))
    people = People(bundle)
    rows = [Happened("ann", NOW_US - 3, "sku-1", "view"), Happened("ann", NOW_US - 2, "sku-3", "purchase", 1.0, 2.5)]
    profile = people.profile(rows, NOW_US)
    one = Users(np.zeros(1, np.int32), ragged([[1, 3]]), now=10 * 86_400_000_000)
    chances = people.chances(one, profile, np.arange(1, 21, dtype=np.int32))
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "digest": digest,
        "histories": HISTORIES,
        "scores": scores.tolist(),
        "items": listed.items.tolist(),
        "fallback": bundle.fallback.score(users).tolist(),
        "contributions": {name: values.tolist() for name, values in added.items()},
        "hits": {"items": hits.items.tolist(), "scores": hits.scores.tolist()},
        "near": bundle.nearest.around(query, 5).tolist(),
        "profile": {k: v for k, v in profile.items() if isinstance(v, int | float)},
        "chances": chances.tolist(),
        "sentiment": SentimentHead.load(HERE / "bundle/sentiment").score(vectors).tolist(),
    }


if __name__ == "__main__":
    main()
