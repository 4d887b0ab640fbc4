"""Time the encoder against sentence-transformers' `encode`: the same model, texts, batch size and threads, alternating.

    python tests/benchmarks/bench_encode.py [--texts 4000] [--rounds 3] [--titles FILE.csv.gz]

The texts are those of the simulated shop's products, or the column `title` of a gzipped CSV file. Exits 1 where
vectors disagree (a cosine below .999) or the median ratio of the rates is below 1.
"""

import argparse
import csv
import gzip
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.data.shop import write_shop
from components.data.snapshot import take_snapshot
from components.language.encoder import Encoder, resolve_model
from components.language.text import normalise
from components.params import Params, load

CHECKOUT = Path(__file__).resolve().parents[2]


def shop_texts(params: Params) -> list[str]:
    """Return title and description of the simulated shop's products."""
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory(prefix="encode-") as name:
        folder = Path(name)
        write_shop(params.shop, params.seed, folder / "data/raw")
        take_snapshot(params.data, folder, folder / "snapshot", folder / "quarantine")
        rows = pq.read_table(folder / "snapshot/products", columns=["title", "description"]).to_pylist()
    return [f"{row['title']} {row['description'] or ''}" for row in rows]


def titles(file: Path) -> list[str]:
    """Return the titles of a CSV file that are not empty."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [row["title"] for row in csv.DictReader(lines) if row["title"]]


def rate(encode: Callable[[Sequence[str]], Any], texts: Sequence[str]) -> tuple[float, Any]:
    """Return texts per second, and the vectors."""
    started = time.perf_counter()
    vectors = encode(texts)
    return len(texts) / (time.perf_counter() - started), vectors


def main() -> int:
    """Print the table; return 1 when ours is slower."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--titles", type=Path, help="gzipped CSV file with a column title")
    args = parser.parse_args()
    from sentence_transformers import SentenceTransformer

    params = load(CHECKOUT / "params.yaml")
    texts = [normalise(t) for t in (titles(args.titles) if args.titles else shop_texts(params))[: args.texts]]
    ours = Encoder.load(resolve_model("minilm"), params.language)
    theirs = SentenceTransformer(str(ours.folder), device="cpu")
    theirs.max_seq_length = params.language.max_tokens

    def other(some: Sequence[str]) -> Any:
        return theirs.encode(list(some), batch_size=params.language.batch_size, normalize_embeddings=True)

    ours.encode(texts[:64]), other(texts[:64])  # both loaded and warm
    print(f"{len(texts)} texts, {torch.get_num_threads()} threads\n")
    print("| round | ours, texts/s | theirs | ratio |\n|---|---|---|---|")
    ratios = []
    for number in range(args.rounds):
        (mine, a), (their, b) = rate(ours.encode, texts), rate(other, texts)
        ratios.append(mine / their)
        print(f"| {number + 1} | {mine:.0f} | {their:.0f} | {ratios[-1]:.2f} |", flush=True)
    alike = float(np.sum(a * b, axis=1).min())
    print(f"\nmedian ratio {statistics.median(ratios):.2f}, least cosine {alike:.4f}")
    return int(statistics.median(ratios) < 1 or alike < 0.999)


if __name__ == "__main__":
    sys.exit(main())
