"""Time an epoch of the sequence model against one of RecTools' SASRec, alternating, on two threads.

    python tests/benchmarks/bench_training.py --data DIR [--rounds 2] [--epochs 1]

Equal architecture (128 wide, 2 blocks, 2 heads, the newest 20 events), equal batches (256 sequences of mean length),
full softmax over all 12,101 items, Amazon Beauty without each user's last two items. RecTools 0.19 needs an older
NumPy: the first run installs it into a separate environment, .carousel/rectools. The first epoch of each training is
not counted. Ours also trains on the older parts of long histories, as further sequences; that work is not credited.
Exits 1 where the median ratio is below 3.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from bench_beauty import OVERLAY, embed, split_data

from components.contracts import Catalogue, Interactions, Users
from components.data.tables import read_catalogue, read_interactions, read_users
from components.params import Params, load
from components.recommenders.sequence.batching import training_sequences
from components.recommenders.sequence.recommender import SequenceRecommender

CHECKOUT = Path(__file__).resolve().parents[2]
ENVIRONMENT = CHECKOUT / ".carousel/rectools"
SEQUENCES = 256  # per batch
EQUAL = ["models.sequence.dim=128", "models.sequence.blocks=2", "models.sequence.heads=2",
         "models.sequence.max_length=20", "models.sequence.dropout=0.2", "trainer.accelerator=cpu"]  # fmt: skip
LEAST = 3.0  # ratio


def environment() -> Path:
    """Return the Python that has RecTools, after installing it if it is missing."""
    python = ENVIRONMENT / "bin/python"
    if not (ENVIRONMENT / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        torch_version = torch.__version__.split("+")[0]
        wanted = ["rectools[torch]==0.19.0", "numpy<2", f"torch=={torch_version}"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *wanted], check=True)
        (ENVIRONMENT / "installed").touch()
    return python


def theirs(python: Path, events: Path, epochs: int) -> list[float]:
    """Return the seconds of each counted epoch of RecTools' SASRec."""
    command = [str(python), str(Path(__file__).with_name("rectools_sasrec.py")), str(events), str(epochs + 1)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "2"})
    if done.returncode:
        raise RuntimeError(f"RecTools failed: {done.stderr[-2000:]}")
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])["seconds"]
    return seconds[1:]


def ours(params: Params, train: Interactions, catalogue: Catalogue, users: Users, epochs: int) -> list[float]:
    """Return the seconds of each counted epoch of ours, through the same trainer as in production."""
    knobs = params.trainer.model_copy(update={"max_epochs": epochs + 1, "patience": epochs + 1})
    model = SequenceRecommender(params.models.sequence, knobs, params.seed, exclude_seen=True)
    ends: list[float] = []
    model.after_epoch = lambda _: ends.append(time.perf_counter())
    model.fit(train, catalogue, users)
    return np.diff(ends).tolist()


def write_events(train: Interactions, path: Path) -> None:
    """Write the events as RecTools reads them; added minutes keep the order of events of the same day."""
    order = np.arange(len(train))
    minutes = np.datetime64("2000-01-01T00:00:00", "s") + order * np.timedelta64(60, "s")
    rows = (f"{u},{i},{t}\n" for u, i, t in zip(train.user_idx, train.item_idx, minutes, strict=True))
    path.write_text("user_id,item_id,datetime\n" + "".join(rows))


def main() -> int:
    """Print the table; return 1 where the ratio is too low."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of interactions.csv.gz and items.csv.gz")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=1, help="counted in each round")
    parser.add_argument("--cache", type=Path, default=CHECKOUT / ".carousel/embeddings", help="embedding cache")
    args = parser.parse_args()
    python = environment()
    torch.set_num_threads(2)
    params = load(CHECKOUT / "params.yaml", [OVERLAY], EQUAL)
    with tempfile.TemporaryDirectory(prefix="training-") as name:
        folder = Path(name)
        split = split_data(args.data, params, folder)
        train, catalogue = read_interactions(split), read_catalogue(split)
        few = read_users(split, "validation").subsample(50)  # validation is not part of the comparison
        write_events(train, folder / "events.csv")
        catalogue = embed(catalogue, params, args.cache)
        segments = training_sequences(train, params.models.sequence, np.zeros(train.n_items + 1, np.float32))
        batch = round(SEQUENCES * len(train) / len(segments.starts))
        params = params.model_copy(update={"trainer": params.trainer.model_copy(update={"batch_size": batch})})
        n = len(np.unique(train.user_idx))
        print(
            f"{n} sequences, {len(train)} events; ours: {len(segments.starts)} segments, {batch} events a batch, and a "
            f"validation by {len(few)} users in each epoch; torch {torch.__version__}"
        )
        print("| round | ours, s an epoch | RecTools, s an epoch | ours, sequences/s | ratio |")
        print("|---|---|---|---|---|")
        ratios = []
        for number in range(1, args.rounds + 1):
            measured = {}
            for name in ("ours", "theirs") if number % 2 else ("theirs", "ours"):  # alternating order
                if name == "ours":
                    measured[name] = statistics.median(ours(params, train, catalogue, few, args.epochs))
                else:
                    measured[name] = statistics.median(theirs(python, folder / "events.csv", args.epochs))
            mine, other = measured["ours"], measured["theirs"]
            ratios.append(other / mine)
            print(f"| {number} | {mine:.1f} | {other:.1f} | {n / mine:.0f} | {ratios[-1]:.2f} |", flush=True)
    median = statistics.median(ratios)
    print(f"median ratio {median:.2f}, wanted {LEAST:g}")
    return int(median < LEAST)


if __name__ == "__main__":
    sys.exit(main())
