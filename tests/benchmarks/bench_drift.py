"""Count the drift verdict's alarms on simulated shops whose tastes shift on a known date, and on shops without a shift.

    python tests/benchmarks/bench_drift.py [--seeds 11 12 13 14 15]

Prints a Markdown table: pairs of windows before the shift, pairs around it, and pairs in shops without one.
"""

import argparse
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from components.data.shop import write_shop
from components.data.snapshot import take_snapshot
from components.monitoring.drift import judge
from components.monitoring.windows import Sample, sample_window
from components.params import Params, load

CHECKOUT = Path(__file__).resolve().parents[2]


def alarms(params: Params, folder: Path, pairs: list[tuple[int, int]]) -> list[bool]:
    """Return for each pair of window ends (days after the shop's start) whether its verdict is drift."""
    write_shop(params.shop, params.seed, folder / "data/raw")
    take_snapshot(params.data, folder, folder / "snapshot", folder / "quarantine")
    start = datetime.fromisoformat(params.shop.start).replace(tzinfo=UTC)

    def window(day: int) -> Sample:
        end = start + timedelta(days=day)
        drift = params.drift
        return sample_window(
            folder / "snapshot", end, drift.window_days, drift.sample, params.seed, params.data.memory_gib
        )

    return [
        judge(window(a), window(b), "bench", start + timedelta(days=b), params.drift, params.seed).drifted
        for a, b in pairs
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[11, 12, 13, 14, 15])
    seeds = parser.parse_args().seeds
    shift = load(CHECKOUT / "params.yaml").shop.shift_day
    before = [(shift - 30, shift - 2), (shift - 28, shift), (shift - 32, shift - 4)]
    across = [(shift, shift + 28), (shift - 14, shift + 28)]
    kinds = {
        "both windows before the shift": ([], before),
        "one before, one after": ([], across),
        "no shift at all": (["shop.shift_share=0"], before + across),
    }
    print("| pairs of windows | alarms |\n|---|---|")
    for name, (overrides, pairs) in kinds.items():
        found: list[bool] = []
        for seed in seeds:
            with tempfile.TemporaryDirectory(prefix="drift-") as folder:
                params = load(CHECKOUT / "params.yaml", overrides=[f"seed={seed}", *overrides])
                found += alarms(params, Path(folder), pairs)
        print(f"| {name} | {sum(found)} of {len(found)} |", flush=True)


if __name__ == "__main__":
    main()
