"""Stage `ingest`: sources -> data/snapshot, data/quarantine; first writes the simulated shop, if data.simulated."""

import json
from pathlib import Path

from components.data import shop
from components.data.snapshot import read_snapshot_info, take_snapshot
from components.settings import Settings
from components.stages.run import stage, write_metrics


def main() -> None:
    """Take the snapshot as of data.as_of."""
    with stage("ingest", "data/snapshot", "data/quarantine", "reports/ingest") as params:
        root = Path()
        if params.data.simulated:
            shop.write_shop(params.shop, params.seed, Path("data/raw"))
        else:
            root = Settings().data_root or root
        snapshot, reports = Path("data/snapshot"), Path("reports/ingest")
        broken = take_snapshot(params.data, root, snapshot, Path("data/quarantine"))
        counts = read_snapshot_info(snapshot).counts
        write_metrics(reports, {f"{t}/{k}": float(n) for t, c in counts.items() for k, n in c.model_dump().items()})
        quality = {t: {"counts": c.model_dump(), "rules": broken[t]} for t, c in counts.items()}
        (reports / "quality.json").write_text(json.dumps(quality, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
