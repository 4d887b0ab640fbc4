"""Advice on five shops that are cut from the gift shop: is the measured gain within the expected interval?

    python tests/benchmarks/bench_advise.py [--full]

1, 5, 20 and 100 % of the users, and all users without titles. What is expected comes from `advise_shop`, which never
reads the test window. What is measured, on the test window: the gain over popularity of the model that validation
chooses. Without --full, the choice is among the models that need no texts and no sequences, fitted in this process;
with it, `carousel retrain` runs with the advised overlay, and its minutes are compared, too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from components import params
from components.applications.advice.advice import ShopAdvice, advise_shop
from components.contracts import Evaluation
from components.data.snapshot import take_snapshot
from components.data.split import make_split
from components.data.tables import read_catalogue, read_interactions, read_users
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank
from components.params import Params
from components.recommenders.factory import create, usable
from tests.support import ROOT

SHOPS = {"1 %": 0.01, "5 %": 0.05, "20 %": 0.2, "100 %": 1.0, "no text": 1.0}
SIMPLE = ("neighbours", "als", "ease", "interests", "buy_again")


def make_shop(name: str, share: float, folder: Path) -> Path:
    """Write the rows of a share of the customers, and of the anonymous rows; return the overlay."""
    data = Path(os.environ.get("CAROUSEL_REAL_DATA", ROOT.parent / "shared/data"))
    source = data / "online_retail_uci"
    chosen = f"hash(coalesce(CustomerID, InvoiceNo)) % 10000 < {share * 10_000:.0f}"
    title = "NULL::VARCHAR" if name == "no text" else "Description"
    rows = (
        f"SELECT InvoiceNo, StockCode, {title} AS Description, Quantity, InvoiceDate, UnitPrice, CustomerID "
        f"FROM read_csv('{source}/*.csv.gz', all_varchar = true) WHERE {chosen}"
    )
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({rows}) TO '{folder}/sales.parquet' (FORMAT parquet)")
    text = (
        (ROOT / "examples/online_retail/params.yaml")
        .read_text()
        .replace("data/online_retail/*.csv.gz", str(folder / "sales.parquet"))
    )
    overlay = folder / "shop.yaml"
    overlay.write_text(text)
    return overlay


def measure_simple(snapshot: Path, shop: Params) -> tuple[str, float]:
    """Return the model that validation chooses, and its gain over popularity on the test window."""
    with TemporaryDirectory() as name:
        split = Path(name)
        make_split(snapshot, split, shop.split, shop.data.as_of, shop.data.memory_gib)
        train, catalogue = read_interactions(split), read_catalogue(split)
        found: dict[str, dict[str, float]] = {}
        for model in ("popularity", *usable(SIMPLE, shop)):
            fitted = create(model, shop).fit(train, catalogue, read_users(split, "validation"))
            found[model] = {}
            for window in ("validation", "test"):
                users = read_users(split, window)
                lists = rank(fitted, users, 10, shop.recommend.exclude_seen, train.n_items, 512)
                found[model][window] = float(per_user(lists, users.ground_truth, [10])["ndcg_at_10"].mean())
    best = max((m for m in found if m != "popularity"), key=lambda m: found[m]["validation"])
    return best, found[best]["test"] - found["popularity"]["test"]


def measure_full(overlay: Path, advice: ShopAdvice, folder: Path) -> tuple[str, float, float]:
    """Run `carousel retrain` with the advised overlay; return the challenger, its gain and the minutes."""
    advised = folder / "advice.yaml"
    advised.write_text(advice.to_yaml())
    env = os.environ | {"CAROUSEL_HOME": str(folder / "home")}
    started = time.perf_counter()
    command = [".venv/bin/carousel", "retrain", "--params", str(overlay), "--params", str(advised), "--bootstrap"]
    subprocess.run(command, cwd=ROOT, env=env, check=False)
    minutes = (time.perf_counter() - started) / 60
    found = Evaluation.model_validate_json((ROOT / "reports/evaluate/evaluation.json").read_bytes())
    gain = found.test[found.challenger]["ndcg_at_10"] - found.test["popularity"]["ndcg_at_10"]
    return found.challenger, gain, minutes


def main() -> None:
    full = "--full" in sys.argv
    hits = 0
    print("| shop | users | expected gain | interval | measured | model | within | minutes (at the load) | measured |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, share in SHOPS.items():
        with TemporaryDirectory() as folder_name:
            folder = Path(folder_name)
            overlay = make_shop(name, share, folder)
            shop = params.load(ROOT / "params.yaml", [overlay])
            take_snapshot(shop.data, ROOT, folder / "data/snapshot", folder / "quarantine")
            advice = advise_shop(folder, folder / "data/snapshot", shop)
            model, gain, *rest = (
                measure_full(overlay, advice, folder) if full else measure_simple(folder / "data/snapshot", shop)
            )
        expected = advice.probe
        within = expected.low <= gain <= expected.high
        hits += within
        minutes = f"{advice.minutes:.1f} ({advice.minutes_now:.1f}) | {rest[0]:.1f}" if rest else "- | -"
        print(
            f"| {name} | {advice.facts.users} | {expected.gain:.4f} | {expected.low:.4f} to {expected.high:.4f} | "
            f"{gain:.4f} | {model} | {'yes' if within else 'no'} | {minutes} |",
            flush=True,
        )
        print(json.dumps({name: [w.model_dump() for w in expected.windows]}), file=sys.stderr)
    print(f"within the interval: {hits} of {len(SHOPS)}")


if __name__ == "__main__":
    main()
