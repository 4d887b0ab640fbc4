"""Language models in one table: the original, adapted ones, smaller ones, a decoder, and TF-IDF.

    python tests/benchmarks/bench_backbones.py --folder DIR [--params FILE]   (a run: data/snapshot, data/split)
    python tests/benchmarks/bench_backbones.py --beauty DIR                   (interactions.csv.gz and items.csv.gz)
        [--steps [25 100]] [--set a.b=c] [--cache DIR]

For each: the size of its weights; the time of one text on one thread, and texts per second in batches, both against the
original in the same run; and NDCG@10 of nearest texts (the model `content`) on validation and test, with the gain over
the original (95 %, paired over users). `static`: one vector per token, made from the original; with an empty --steps
the table ends there. `adapted N`: continued pretraining for N steps on the shop's own texts. `int8` and `distilled` are
made from the last adapted model. The decoder is a GPT-2 with two layers and random weights, pretrained for as many
steps. `words` is TF-IDF, reduced to the same dimension by an SVD. Nothing is selected here.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from bench_beauty import OVERLAY, mean_and_margin, split_data

from components.contracts import Catalogue, FloatArray, Interactions, Users
from components.data.tables import read_catalogue, read_interactions
from components.evaluation.comparison import paired_bootstrap
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank, window_users
from components.language.cache import encode_cached
from components.language.compress import distil, write_int8, write_static
from components.language.corpus import Corpus, read_corpus
from components.language.encoder import Encoder, resolve_model
from components.language.pretrain import pretrain
from components.language.words import words
from components.params import Params, load
from components.recommenders.content import ContentRecommender

CHECKOUT = Path(__file__).resolve().parents[2]
WINDOWS = ("validation", "test")
HEADER = (
    "| model | weights, MiB | ms a text (ratio) | texts/s, ratio | validation | gain | test | gain |\n"
    "|---|---|---|---|---|---|---|---|"
)
TIMED, RATED = 60, 512  # texts encoded one by one, texts encoded in batches


@dataclass(frozen=True)
class World:
    """The data that all models are evaluated on."""

    params: Params
    train: Interactions
    catalogue: Catalogue
    users: dict[str, Users]

    def ndcg(self, embedding: FloatArray) -> dict[str, FloatArray]:
        """Return window -> NDCG@10 of each user by nearest texts."""
        model = ContentRecommender(self.params.models.content, self.params.models.popularity, 0)
        model.fit(self.train, replace(self.catalogue, embedding=embedding), self.users["validation"])
        found, seen = {}, self.params.recommend.exclude_seen
        for window, users in self.users.items():
            lists = rank(model, users, 10, seen, self.train.n_items, self.params.recommend.batch_users)
            found[window] = per_user(lists, users.ground_truth, [10])["ndcg_at_10"]
        return found


def by_words(texts: list[str], dim: int, seed: int) -> FloatArray:
    """Return (n, dim) unit rows of TF-IDF over words and pairs of Chinese characters, by a truncated SVD."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    counts = TfidfVectorizer(analyzer=words, sublinear_tf=True, min_df=2).fit_transform(texts)
    rows: FloatArray = normalize(TruncatedSVD(min(dim, counts.shape[1] - 1), random_state=seed).fit_transform(counts))
    return rows.astype(np.float32)


def decoder(folder: Path, seed: int) -> Path:
    """Write a GPT-2 of two layers and random weights that reads bytes."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    vocabulary = {c: i for i, c in enumerate([*sorted(pre_tokenizers.ByteLevel.alphabet()), "<|endoftext|>"])}
    backend = Tokenizer(models.BPE(vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>").save_pretrained(str(folder))
    torch.manual_seed(seed)
    end = vocabulary["<|endoftext|>"]
    config = GPT2Config(vocab_size=len(vocabulary), n_embd=256, n_layer=2, n_head=4, n_positions=256,
                        bos_token_id=end, eos_token_id=end)  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(str(folder))
    return folder


def median_encode_ms(encoder: Encoder, texts: list[str]) -> float:
    """Return the median time of encoding one text, in milliseconds, on one thread, as in serving."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        encoder.encode(texts[:1])
        times = []
        for text in texts:
            started = time.perf_counter()
            encoder.encode([text])
            times.append(1000 * (time.perf_counter() - started))
    finally:
        torch.set_num_threads(threads)
    return float(np.median(times))


def rate(encoder: Encoder, texts: list[str]) -> float:
    """Return texts per second in batches."""
    started = time.perf_counter()
    encoder.encode(texts)
    return len(texts) / (time.perf_counter() - started)


def print_row(name: str, cells: list[str], ndcg: dict[str, FloatArray], base: dict[str, FloatArray], seed: int) -> None:
    """Print the cells, then NDCG and its gain over the original in each window."""
    for window in WINDOWS:
        gain = paired_bootstrap(ndcg[window], base[window], 0.95, 2000, seed)
        cells.append("{:.4f} ± {:.4f}".format(*mean_and_margin(ndcg[window])))
        cells.append(f"{gain.gain:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})")
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def table(world: World, corpus: Corpus, steps: list[int], work: Path, cache: Path) -> None:
    """Make and measure each model in order, and print its row."""
    params, texts = world.params, world.catalogue.text
    language, original = params.language, resolve_model(params.language.model)
    some = [text for text in texts if text]
    few, many = some[:: max(1, len(some) // TIMED)][:TIMED], some[:: max(1, len(some) // RATED)][:RATED]
    first = Encoder.load(original, language)
    first.encode(few)
    base = world.ndcg(encode_cached(first, texts, cache))

    def show(name: str, make: Callable[[], Path]) -> Path:
        folder = make()
        encoder = Encoder.load(folder, language)
        ndcg = world.ndcg(encode_cached(encoder, texts, cache))
        ours, theirs = median_encode_ms(encoder, few), median_encode_ms(first, few)
        faster = rate(encoder, many) / rate(first, many)
        size = (folder / "model.safetensors").stat().st_size / 2**20
        cells = [f"{size:.0f}", f"{ours:.2f} ({ours / theirs:.3f})", f"{faster:.2f}"]
        print_row(name, cells, ndcg, base, params.seed)
        return folder

    def adapt(model: Path, n: int, out: str, texts_per_step: int) -> Path:
        knobs = language.pretrain.model_copy(
            update={"max_steps": n, "max_minutes": 600, "method": "full", "texts_per_step": texts_per_step}
        )
        own = language.model_copy(update={"pretrain": knobs})
        pretrain(model, corpus, own, params.seed, work / out, work / f"{out}-run")
        return work / out

    def student(layers: int) -> Path:
        knobs = language.compress.model_copy(update={"layers": layers})
        vectors, out = encode_cached(Encoder.load(adapted, language), texts, cache), work / f"student{layers}"
        distil(adapted, texts, vectors, knobs, language, params.seed, out)
        return out

    print(HEADER)
    adapted = show("original", lambda: original)
    write_static(original, corpus, language, params.seed, work / "static")
    show("static", lambda: work / "static")
    if not steps:
        return
    for n in steps:
        adapted = show(f"adapted {n}", lambda n=n: adapt(original, n, f"adapted{n}", language.pretrain.texts_per_step))
    show("int8", lambda: write_int8(adapted, language, work / "int8"))
    distilled = show("distilled, 3 layers", lambda: student(3))
    show("distilled, 3 layers, int8", lambda: write_int8(distilled, language, work / "student8"))
    show("distilled, 1 layer", lambda: student(1))
    show(f"decoder, {steps[-1]} steps", lambda: adapt(decoder(work / "gpt", params.seed), steps[-1], "gpt-adapted", 16))
    print_row("words", [""] * 3, world.ndcg(by_words(texts, first.dim, params.seed)), base, params.seed)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--folder", type=Path, help="checkout of a finished run")
    source.add_argument("--beauty", type=Path, help="folder of interactions.csv.gz and items.csv.gz")
    parser.add_argument("--steps", nargs="*", type=int, default=[25, 100])
    parser.add_argument("--params", type=Path, help="overlay of the run, such as examples/online_retail/params.yaml")
    parser.add_argument("--set", nargs="*", default=[], dest="overrides", help="a.b=c")
    parser.add_argument("--cache", type=Path, default=CHECKOUT / ".carousel/embeddings", help="embedding cache")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    overlay = OVERLAY if args.beauty else args.params
    params = load(CHECKOUT / "params.yaml", [overlay] if overlay else [], args.overrides)
    with tempfile.TemporaryDirectory(prefix="backbones-") as name:
        work = Path(name)
        split = split_data(args.beauty, params, work) if args.beauty else args.folder / "data/split"
        snapshot = work / "snapshot" if args.beauty else args.folder / "data/snapshot"
        users = {w: window_users(split, w, params.recommend.exclude_seen) for w in WINDOWS}
        world = World(params, read_interactions(split), read_catalogue(split), users)
        held_out = params.language.pretrain.held_out_share
        corpus = read_corpus(snapshot, split, params.split.target_events, held_out, params.seed)
        table(world, corpus, args.steps, work, args.cache)
    return 0


if __name__ == "__main__":
    sys.exit(main())
