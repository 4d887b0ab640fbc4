"""Search quality on a finished run: queries of its users, with their clicks as ground truth.

    python tests/benchmarks/bench_search.py --folder RUN [--tune]

NDCG@10 over the queries of the test window with a click: embedding similarity alone, words alone (BM25), both, both
with popularity, and also with the recommender's scores for the user, whose history ends with the validation window;
then by weights that are learned on the validation window, as the stage `package` does, without popularity and clicks,
with both, and with the user. Learned weights are repeated with one wrong letter in each English query. --tune tries
weights of the parameters on the validation window. Gains are paired over queries (95 %, bootstrap). Exits 1 unless the
learned search beats words alone without popularity and clicks, and with all signals the weights of the parameters.
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
from components.stages.search_index import build_search

CHECKOUT = Path(__file__).resolve().parents[2]
K = 10
Query = tuple[str, int, str]  # text, item_idx that was clicked, user_id
Scores = list[FloatArray | None]  # per query, (n_items + 1,); None: nothing is known of the user


def read_queries(run: Path, bundle: Bundle, start: int, end: int) -> list[Query]:
    """Return the queries of a time window (us) with a click on a product of the bundle."""
    import duckdb

    rows = duckdb.execute(
        "SELECT query, clicked_item_id, user_id FROM read_parquet($1, hive_partitioning = false) "
        "WHERE clicked_item_id IS NOT NULL AND epoch_us(timestamp) >= $2 AND epoch_us(timestamp) < $3 "
        "ORDER BY timestamp, user_id, query",
        [str(run / "data/snapshot/searches/**/*.parquet"), start, end],
    ).fetchall()
    return [(query, bundle.index[item], user or "") for query, item, user in rows if item in bundle.index]


def personal_scores(run: Path, bundle: Bundle, window: str, queries: list[Query]) -> Scores:
    """Return the model's scores for the user of each query, from the history before the window."""
    import pyarrow.parquet as pq

    users = window_users(run / "data/split", window, bundle.info.exclude_seen)
    ids = pq.read_table(run / "data/split/users.parquet", columns=["user_id"])["user_id"].to_pylist()
    row_of = {ids[idx - 1]: n for n, idx in enumerate(users.user_idx.tolist()) if idx}
    known: dict[str, FloatArray] = {}
    for user in {row[2] for row in queries} & set(row_of):
        single = users.slice(row_of[user], row_of[user] + 1)
        if len(single.history.item_idx):
            known[user] = scaled(bundle.model.score(single))[0]
    return [known.get(row[2]) for row in queries]


def misspell(query: str, seed: int) -> str:
    """Return the query with one letter of its longest word replaced; Chinese queries are unchanged."""
    rng = random.Random(f"{seed}{query}")
    words = query.split(" ")
    n = max(range(len(words)), key=lambda i: len(words[i]))
    if is_chinese(query) or len(words[n]) < 4:
        return query
    at = rng.randrange(1, len(words[n]))
    words[n] = words[n][:at] + rng.choice("abcdefghijklmnopqrstuvwxyz") + words[n][at + 1 :]
    return " ".join(words)


def ndcg(found: np.ndarray, wanted: int) -> float:
    """Return NDCG of a list with one relevant product."""
    at = np.flatnonzero(found == wanted)
    return float(1 / np.log2(at[0] + 2)) if len(at) else 0.0


def evaluate(
    index: SearchIndex,
    queries: list[Query],
    vectors: FloatArray | None,
    items: FloatArray,
    personal: Scores,
    popular: FloatArray | None,
) -> np.ndarray:
    """Return NDCG@10 of each query."""
    values = []
    for n, (query, wanted, _) in enumerate(queries):
        both = None if vectors is None else (vectors[n], items)
        values.append(ndcg(index.search(query, K, both, personal[n], popular).items, wanted))
    return np.array(values)


def tune(index: SearchIndex, evaluate_mean: Callable[[bool], float]) -> None:
    """Print NDCG@10 with other weights on the validation window; evaluate_mean: with personal scores or not."""
    best = index.params
    for text in (0.25, 0.5, 1.0, 2.0):
        for popular in (1.0, 3.0, 10.0, 30.0):
            index.params = best.model_copy(update={"semantic_weight": text, "popularity_weight": popular})
            results = [f"not personal {evaluate_mean(False):.4f}"]
            for weight in (0.25, 0.5, 1.0, 2.0, 4.0):
                index.params = index.params.model_copy(update={"personal_weight": weight})
                results.append(f"personal {weight}: {evaluate_mean(True):.4f}")
            print(f"semantic {text} popularity {popular}: {', '.join(results)}", flush=True)
    index.params = best


def print_table(table: dict[str, np.ndarray], is_chinese_query: np.ndarray, seed: int) -> None:
    """Print NDCG@10 of each kind of search, by language, with its gain over the one above."""
    print("| search | NDCG@10 | English | Chinese | gain over the one above (95 %) |\n|---|---|---|---|---|")
    above: np.ndarray | None = None
    for name, values in table.items():
        text = ""
        if above is not None:
            gain = paired_bootstrap(values, above, 0.95, 2000, seed)
            text = f"{gain.gain:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
        languages = " | ".join(f"{values[mask].mean():.4f}" for mask in (~is_chinese_query, is_chinese_query))
        print(f"| {name} | {values.mean():.4f} | {languages} | {text} |")
        above = values


def print_latency(index: SearchIndex, queries: list[Query]) -> None:
    """Print the time of searches by words alone."""
    times = []
    for query, _, _ in queries:
        started = time.perf_counter()
        index.search(query, K)
        times.append(1000 * (time.perf_counter() - started))
    print(f"words alone, ms per query: median {np.median(times):.2f}, p99 {np.percentile(times, 99):.2f}")


def judge_learned(
    own: SearchIndex,
    queries: list[Query],
    vectors: FloatArray,
    items: FloatArray,
    scores: tuple[Scores, Scores],
    popular: FloatArray,
) -> dict[str, np.ndarray]:
    """Return NDCG@10 of each query by learned weights; scores: without and with the user."""
    print(f"learned weights: {own.weights}")
    texts_only = own.with_weights(None, own.weights)
    return {
        "learned, words and similarity": evaluate(texts_only, queries, vectors, items, scores[0], None),
        "learned, popularity and clicks": evaluate(own, queries, vectors, items, scores[0], popular),
        "learned, with the user": evaluate(own, queries, vectors, items, scores[1], popular),
    }


def print_misspelled(
    own: SearchIndex,
    queries: list[Query],
    encoder: Encoder,
    items: FloatArray,
    personal: Scores,
    popular: FloatArray,
    correct: np.ndarray,
    seed: int,
) -> None:
    """Print NDCG@10 of the queries with one wrong letter."""
    misspelled = [(misspell(query, seed), item, user) for query, item, user in queries]
    changed = np.array([a[0] != b[0] for a, b in zip(misspelled, queries, strict=True)])
    again = evaluate(own, misspelled, encoder.encode([row[0] for row in misspelled]), items, personal, popular)
    spelled = f"spelled correctly {correct[changed].mean():.4f}"
    print(f"one letter wrong in {changed.sum()} queries: {again[changed].mean():.4f}, {spelled}")


def main() -> int:
    """Print the table; return 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where `make retrain` ran")
    parser.add_argument("--tune", action="store_true", help="try weights on the validation window")
    arguments = parser.parse_args()
    run, params = arguments.folder, load(CHECKOUT / "params.yaml")
    bundle, split = open_bundle(run / "bundle"), read_info(run / "data/split")
    started = time.perf_counter()
    index = SearchIndex.build(read_catalogue(run / "data/split"), params.search)
    n_words = len(index.lexical.vocabulary)
    print(f"index of {index.n_items} products, {n_words} words: {time.perf_counter() - started:.1f} s")
    items = bundle.catalogue.embedding
    if items is None:
        raise ValueError("the bundle has no embeddings")
    encoder = Encoder.load(run / "bundle/encoder", params.language)
    window = "validation" if arguments.tune else "test"
    start, end = (split.train_end, split.validation_end) if arguments.tune else (split.validation_end, 2**62)
    queries = read_queries(run, bundle, start, end)
    vectors = encoder.encode([query for query, _, _ in queries])
    popular = bundle.fallback.score(build_user(bundle, []))[0]
    personal, anonymous = personal_scores(run, bundle, window, queries), Scores([None] * len(queries))
    n_known = sum(scores is not None for scores in personal)
    print(f"{len(queries)} queries with a click in the {window} window, {n_known} by known users")
    if arguments.tune:
        kinds = {True: personal, False: anonymous}
        tune(index, lambda own: float(evaluate(index, queries, vectors, items, kinds[own], popular).mean()))
        return 0
    most_similar = np.argsort(-(vectors @ items.T), axis=1, kind="stable")[:, :K]
    table = {
        "similarity": np.array([ndcg(found, row[1]) for found, row in zip(most_similar, queries, strict=True)]),
        "words": evaluate(index, queries, None, items, anonymous, None),
        "both": evaluate(index, queries, vectors, items, anonymous, None),
        "with popularity": evaluate(index, queries, vectors, items, anonymous, popular),
        "with the user": evaluate(index, queries, vectors, items, personal, popular),
    }
    own, about = build_search(run, params, bundle.catalogue, run / "bundle/encoder", None)
    if own.weights is None:
        print(about)
        return 1
    table |= judge_learned(own, queries, vectors, items, (anonymous, personal), popular)
    print_table(table, np.array([is_chinese(query) for query, _, _ in queries]), params.seed)
    correct = table["learned, with the user"]
    print_misspelled(own, queries, encoder, items, personal, popular, correct, params.seed)
    print_latency(index, queries[:300])
    means = {name: float(values.mean()) for name, values in table.items()}
    is_better = means["learned, with the user"] > means["with the user"]
    return 0 if is_better and means["learned, words and similarity"] > means["words"] else 1


if __name__ == "__main__":
    sys.exit(main())
