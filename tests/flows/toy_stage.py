"""A stage of the toy checkout: `python -m make STAGE`; it copies its outputs from the folder TOY_TEMPLATE."""

import hashlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import yaml


def write(name: str, content: Any) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def write_table(name: str, *lines: str) -> None:
    write(f"reports/summary/{name}", "\n".join(lines) + "\n")


def give(name: str, folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(Path(os.environ["TOY_TEMPLATE"]) / name, folder)


def crash(point: str) -> None:
    if os.environ.get("CRASH_AT") == point:
        os.kill(os.getpid(), signal.SIGKILL)


def write_contest(means: dict[str, float], worth: float) -> None:
    contest = {m.replace("champion", "incumbent"): v for m, v in sorted(means.items())}
    write("reports/evaluate/metrics.json", {f"test/{m}/ndcg_at_10": v for m, v in means.items()})
    write("reports/summary/contest.json", contest)
    write_table("contest.csv", "model,value", *(f"{m},{v:.6g}" for m, v in contest.items()))
    write_table("slices.csv", "slice,users,value", f"user:warm,200,{worth:.6g}")


def evaluate(params: dict[str, Any], worth: float) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    champion = json.loads(Path("champion/champion.json").read_text())
    worth -= float(os.environ.get("TOY_LOSS", "0"))
    means = {"ease": worth, "popularity": 0.02, "neighbours": 0.03}
    if champion:
        means["champion"] = float(
            json.loads(Path("champion/bundle/info.json").read_text())["encoder"]["model"].split("#")[1]
        )
    wave = np.tile([0.005, -0.005], 100)
    rows = [
        pa.table(
            {
                "user_row": np.arange(200, dtype=np.int32),
                "model": [model] * 200,
                "slice": [part] * 200,
                "ndcg_at_10": np.float32(mean + (wave if model == "ease" else -wave)),
            }
        )
        for model, mean in means.items()
        for part in ("all", "user:warm")
    ]
    lists = {"overlap_at_10": 0.9, "concentration_at_10": 0.1, "score_spread_at_10": 1.0}
    test = {m: {"ndcg_at_10": v, "recall_at_10": v, "coverage_at_20": 0.5, **lists} for m, v in means.items()}
    warm = {"slice": "user:warm", "n_users": 200}
    write("reports/evaluate/report.html", "<p>report</p>")
    pq.write_table(pa.concat_tables(rows), "reports/evaluate/per_user.parquet", write_page_checksum=True)
    evaluation = {
        "as_of": params["data"]["as_of"],
        "protocol": "global_time",
        "window": ["2026-02-15", "2026-03-01"],
        "simulated": True,
        "n_users": 200,
        "n_items": 20,
        "primary": "ndcg_at_10",
        "challenger": "ease",
        "baselines": ["popularity", "neighbours"],
        "champion": champion,
        "champion_saw_test": False,
        "validation": test,
        "test": test,
        "slices": [{**warm, "model": m, "metrics": {"ndcg_at_10": v}} for m, v in means.items()],
        "overfit_gap": {},
        "purpose": "refresh" if params["selection"] else "retrain",
    }
    write_contest(means, worth)
    write("reports/evaluate/evaluation.json", evaluation)


def drift(params: dict[str, Any]) -> None:
    limit = params["drift"]["max_distance"]
    drifted = limit < 0.05
    verdict = {
        "drifted": drifted,
        "computable": True,
        "reasons": ["taste moved"] if drifted else ["nothing moved"],
        "columns": {"price": 0.05},
        "thresholds": {"price": limit},
        "n_reference": 9,
        "n_current": 9,
        "reference": "none",
    }
    most = params["data_checks"]["max_volume_factor"]
    volume = {"name": "data: volume", "passed": most >= 2, "value": 2.0, "limit": most, "why": "18 events, expected 9"}
    write("reports/drift/data_checks.json", {"checks": [volume], "notes": []})
    write("reports/summary/drift.json", {"drifted_share": float(drifted)})
    write_table("drift.csv", "column,distance,limit", f"price,0.05,{limit}")
    write("reports/drift/drift.json", verdict)
    write("reports/drift/drift.html", "<p>drift</p>")


def package(params: dict[str, Any], worth: float) -> None:
    give("bundle", "bundle")
    info = json.loads(Path("bundle/info.json").read_text()) | {"as_of": params["data"]["as_of"]}
    info["encoder"]["model"] = f"minilm#{worth}"
    recipe = json.loads(Path("bundle/recipe.json").read_text())
    recipe["params"]["trainer"] = params["trainer"]
    manifest = json.loads(Path("bundle/manifest.json").read_text())
    for name, record in (("info.json", info), ("recipe.json", recipe)):
        content = json.dumps(record)
        write(f"bundle/{name}", content)
        digest = hashlib.sha256(content.encode()).hexdigest()
        manifest["files"][name] = {"sha256": digest, "bytes": len(content.encode())}
    write("bundle/manifest.json", manifest)


def main(stage: str) -> None:
    params = yaml.safe_load(Path("run/params.yaml").read_text())
    worth = 0.01 * params["trainer"]["max_epochs"]
    started = time.perf_counter()
    crash(f"{stage}:before")
    if os.environ.get("FAIL_AT") == stage:
        sys.exit(f"{stage}: expected 3 rows, came 2")
    if stage == "ingest":
        time.sleep(float(os.environ.get("SLEEP_S", "0")))
        give("snapshot", "data/snapshot")
        write("data/snapshot/rows.txt", params["data"]["as_of"])
        write("reports/ingest/metrics.json", {"events/valid": 3.0})
    elif stage == "split":
        give("split", "data/split")
    elif stage == "pretrain":
        write("models/language/language.json", {"accepted": False, "reason": "a toy", "original": "minilm"})
        write("run/pretrain/curves.json", {"train/pairs": [2.0, 1.0]})
        write("reports/pretrain/plots/metrics/train/pairs.tsv", "step\ttrain/pairs\n0\t2\n1\t1\n")
    elif stage == "encode":
        give("features", "features")
    elif stage == "fit":
        write("models/simple/ease.txt", str(params["models"]["ease"]["l2"]))
    elif stage == "finetune":
        write("models/sequence/worth.txt", str(worth))
        losses = [f"{n},{1 / n:.6g}" for n in range(1, params["trainer"]["max_epochs"] + 1)]
        write_table("sequence.csv", "epoch,train_loss,validation_ndcg_at_10", *(f"{row},{worth:.6g}" for row in losses))
        write_table("ranker.csv", "epoch,train_loss,validation_loss")  # a shop without a ranker
    elif stage == "incumbent":
        write("models/incumbent/note.txt", "a toy")
    elif stage == "evaluate":
        evaluate(params, worth)
    elif stage == "drift":
        drift(params)
    elif stage == "package":
        package(params, worth)
    elif stage == "inventory":
        found = {"application": "inventory", "as_of": params["data"]["as_of"], "simulated": True, "ships": "model"}
        found |= {"reasons": [{"key": "other", "text": "a toy"}], "metrics": {"wrmsse": 0.5}}
        write("applications/inventory/record.json", found)
    write(f"run/timings/{stage}.json", {"work_s": round(time.perf_counter() - started, 3)})
    crash(f"{stage}:after")


if __name__ == "__main__":
    main(sys.argv[1])
