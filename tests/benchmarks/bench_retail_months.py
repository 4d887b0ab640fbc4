"""Retrain the gift shop month by month, each against the current champion; print the verdicts as a Markdown table.

    python tests/benchmarks/bench_retail_months.py --data DIR [--months 2011-06 2011-07 ...] [--folder DIR]

Each month is one `carousel retrain --as-of` in a clone of this checkout, with a separate registry: yours is unchanged.
DIR holds the thirteen online_retail_*.csv.gz files; examples/online_retail/README.md says where they come from.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
MONTHS = ["2011-06", "2011-07", "2011-08", "2011-09", "2011-10", "2011-11", "2011-12"]
CODES = {0: "promoted", 2: "kept", 3: "not enough evidence"}


def clone(folder: Path, data: Path) -> None:
    """Make a clean checkout with the data linked where the example's overlay looks for it."""
    subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(folder)], check=True)
    (folder / "data").mkdir()
    (folder / "data" / "online_retail").symlink_to(data.resolve())


def retrain(folder: Path, month: str, bootstrap: bool) -> dict[str, Any]:
    """Run one month; return its outcome, or raise when it failed."""
    command = [sys.executable, "-m", "flows.cli", "retrain", "--params", "examples/online_retail/params.yaml"]
    command += ["--as-of", f"{month}-01", "--json", *(["--bootstrap"] if bootstrap else [])]
    environment = {**os.environ, "CAROUSEL_HOME": str(folder / ".carousel")}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode not in CODES:
        raise SystemExit(f"{month}: exit code {done.returncode}; the log above says why")
    evaluation = json.loads((folder / "reports/evaluate/evaluation.json").read_text())
    decision = json.loads((folder / "reports/decision.json").read_text())
    return {"month": month, "code": done.returncode, "decision": decision, "evaluation": evaluation}


def row(run: dict[str, Any]) -> str:
    """Return one row of the table: the primary metric of challenger, champion and best baseline, gain and verdict."""
    evaluation, gain = run["evaluation"], run["decision"]["gain"]
    primary, test = evaluation["primary"], evaluation["test"]
    challenger = evaluation["challenger"]
    best = max(evaluation["baselines"], key=lambda name: test[name][primary])
    champion = test.get("champion", {}).get(primary)
    serving = evaluation["champion"]
    cells = [
        run["month"],
        f"{evaluation['n_users']}",
        f"{challenger} {test[challenger][primary]:.4f}",
        f"v{serving['version']} {serving['model']} {champion:.4f}" if champion is not None else "none",
        f"{best} {test[best][primary]:.4f}",
        f"{gain['gain']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})",
        CODES[run["code"]],
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Run the months in order and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the monthly files")
    parser.add_argument("--months", nargs="+", default=MONTHS, help="as-of months, YYYY-MM")
    parser.add_argument("--folder", type=Path, help="where the clone is made; a temporary folder otherwise")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="retail-")) / "checkout"
    clone(folder, arguments.data)
    print("| as of | test users | challenger | champion of its time | best simple baseline | gain (95 %) | verdict |")
    print("|---|---|---|---|---|---|---|")
    for i, month in enumerate(arguments.months):
        print(row(retrain(folder, month, bootstrap=i == 0)), flush=True)


if __name__ == "__main__":
    main()
