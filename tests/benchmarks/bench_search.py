"""Search the catalogue of a finished run by what its users typed, and judge by what they clicked then.

    python tests/benchmarks/bench_search.py --folder RUN [--tune]

Queries of the test window with a click. NDCG@10 of likeness alone, of words alone (BM25), of both, with popularity,
and with what the recommender says of the user, whose history ends with the validation window; then the same with one
letter of each English query wrong. With --tune the weights are tried on the validation window. Gains are paired over
queries (95 %, bootstrap). Exits 1 where what all users get is not above words and above likeness, or what the user
gets is not above that.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from components.contracts import FloatArray
from components.data.tables import read_catalogue, read_info
from components.evaluation.comparison import paired_bootstrap
from components.evaluation.protocol import window_users
from components.language.encoder import Encoder
from components.language.text import is_chinese
from components.params import load
from components.recommenders.blending import scaled
from components.release.bundle import Bundle, open_bundle
from components.search.index import SearchIndex
from components.serving.inference.histories import build_user

CHECKOUT = Path(__file__).resolve().parents[2]
K = 10
Row = tuple[str, int, str]  # query, item_idx that was clicked, user_id


def asked(run: Path, bundle: Bundle, start: int, end: int) -> list[Row]:
    """Return the queries of a time window (us) that ended in a click on a product of the bundle."""
    import duckdb

    rows = duckdb.execute(
        "SELECT query, clicked_item_id, user_id FROM read_parquet($1, hive_partitioning = false) "
        "WHERE clicked_item_id IS NOT NULL AND epoch_us(timestamp) >= $2 AND epoch_us(timestamp) < $3 "
        "ORDER BY timestamp, user_id, query",
        [str(run / "data/snapshot/searches/**/*.parquet"), start, end],
    ).fetchall()
    return [(query, bundle.index[item], user or "") for query, item, user in rows if item in bundle.index]


def personal_scores(run: Path, bundle: Bundle, window: str, rows: list[Row]) -> list[FloatArray | None]:
    """Return what the bundle's model says of each row's user before the window; None where it knows nothing."""
    import pyarrow.parquet as pq

    users = window_users(run / "data/split", window, bundle.info.exclude_seen)
    ids = pq.read_table(run / "data/split/users.parquet", columns=["user_id"])["user_id"].to_pylist()
    place = {ids[idx - 1]: n for n, idx in enumerate(users.user_idx.tolist()) if idx}
    known: dict[str, FloatArray] = {}
    for user in {row[2] for row in rows} & set(place):
        one = users.slice(place[user], place[user] + 1)
        if len(one.history.item_idx):
            known[user] = scaled(bundle.model.score(one))[0]
    return [known.get(row[2]) for row in rows]


def misspelt(query: str, seed: int) -> str:
    """Return the query with one letter of its longest word exchanged for another; Chinese ones stay."""
    rng = random.Random(f"{seed}{query}")
    words = query.split(" ")
    n = max(range(len(words)), key=lambda i: len(words[i]))
    if is_chinese(query) or len(words[n]) < 4:
        return query
    at = rng.randrange(1, len(words[n]))
    words[n] = words[n][:at] + rng.choice("abcdefghijklmnopqrstuvwxyz") + words[n][at + 1 :]
    return " ".join(words)


def ndcg(found: np.ndarray, wanted: int) -> float:
    """Return NDCG of a list with one right product."""
    at = np.flatnonzero(found == wanted)
    return float(1 / np.log2(at[0] + 2)) if len(at) else 0.0


def judged(
    index: SearchIndex,
    rows: list[Row],
    vectors: FloatArray | None,
    items: FloatArray,
    personal: list[FloatArray | None],
    popular: FloatArray | None,
) -> np.ndarray:
    """Return NDCG@10 of each query."""
    values = []
    for n, (query, wanted, _) in enumerate(rows):
        both = None if vectors is None else (vectors[n], items)
        values.append(ndcg(index.search(query, K, both, personal[n], popular).items, wanted))
    return np.array(values)


def tune(index: SearchIndex, judge: Callable[[bool], float]) -> None:
    """Print what other weights give on the validation window; judge: whether for the user -> NDCG."""
    best = index.params
    for text in (0.25, 0.5, 1.0, 2.0):
        for popular in (1.0, 3.0, 10.0, 30.0):
            index.params = best.model_copy(update={"semantic_weight": text, "popularity_weight": popular})
            told = [f"for all {judge(False):.4f}"]
            for weight in (0.25, 0.5, 1.0, 2.0, 4.0):
                index.params = index.params.model_copy(update={"personal_weight": weight})
                told.append(f"personal {weight}: {judge(True):.4f}")
            print(f"text {text} popular {popular}: {', '.join(told)}", flush=True)
    index.params = best


def print_table(table: dict[str, FloatArray], chinese: np.ndarray, seed: int) -> None:
    """Print a row per search: NDCG over all queries and by language, and the gain over the row above."""
    above = next(iter(table.values()))
    for name, values in table.items():
        gain = paired_bootstrap(values, above, 0.95, 2000, seed)
        more = f"{gain.gain:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
        halves = " | ".join(f"{values[half].mean():.4f}" for half in (~chinese, chinese))
        print(f"| {name} | {values.mean():.4f} | {halves} | {more if values is not above else ''} |")
        above = values


def print_times(index: SearchIndex, rows: list[Row]) -> None:
    """Print how long a query takes by words alone."""
    times = []
    for query, _, _ in rows[:300]:
        started = time.perf_counter()
        index.search(query, K)
        times.append(1000 * (time.perf_counter() - started))
    print(f"words alone, ms a query: median {np.median(times):.2f}, 99th percentile {np.percentile(times, 99):.2f}")


def main() -> int:
    """Print the table; return 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where `make retrain` ran")
    parser.add_argument("--tune", action="store_true", help="try weights on the validation window")
    run, tries = parser.parse_args().folder, parser.parse_args().tune
    params = load(CHECKOUT / "params.yaml")
    bundle, split = open_bundle(run / "bundle"), read_info(run / "data/split")
    started = time.perf_counter()
    index = SearchIndex.build(read_catalogue(run / "data/split"), params.search)
    spent, n_words = time.perf_counter() - started, len(index.lexical.vocabulary)
    print(f"index of {index.n_items} products, {n_words} words: {spent:.1f} s")
    items = bundle.catalogue.embedding
    if items is None:
        raise ValueError("the bundle has no embeddings")
    encoder = Encoder.load(run / "bundle/encoder", params.language)
    window = "validation" if tries else "test"
    start, end = (split.train_end, split.validation_end) if tries else (split.validation_end, 2**62)
    rows = asked(run, bundle, start, end)
    vectors = encoder.encode([row[0] for row in rows])
    popular = bundle.fallback.score(build_user(bundle, []))[0]
    people, nobody = personal_scores(run, bundle, window, rows), [None] * len(rows)
    known = sum(scores is not None for scores in people)
    print(f"{len(rows)} queries with a click in the {window} window, {known} by known users")
    if tries:
        tune(index, lambda own: float(judged(index, rows, vectors, items, people if own else nobody, popular).mean()))
        return 0
    nearest = np.argsort(-(vectors @ items.T), axis=1, kind="stable")[:, :K]
    meaning = np.array([ndcg(found, row[1]) for found, row in zip(nearest, rows, strict=True)])
    words, both = (judged(index, rows, asked_by, items, nobody, None) for asked_by in (None, vectors))
    fused, personal = (judged(index, rows, vectors, items, who, popular) for who in (nobody, people))
    chinese = np.array([is_chinese(row[0]) for row in rows])
    print("| search | NDCG@10 | English | Chinese | gain over the one above (95 %) |\n|---|---|---|---|---|")
    table = {"likeness": meaning, "words": words, "both": both, "and popularity": fused, "and the user": personal}
    print_table(table, chinese, params.seed)
    wrong = [(misspelt(query, params.seed), item, user) for query, item, user in rows]
    changed = np.array([a[0] != b[0] for a, b in zip(wrong, rows, strict=True)])
    again = judged(index, wrong, encoder.encode([row[0] for row in wrong]), items, people, popular)
    kept, whole = again[changed].mean(), personal[changed].mean()
    print(f"one letter wrong in {changed.sum()} queries: {kept:.4f}, spelt right {whole:.4f}")
    print_times(index, rows)
    good = fused.mean() > max(words.mean(), meaning.mean()) and personal.mean() > fused.mean()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
