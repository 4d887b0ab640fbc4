"""Stage `ingest`: sources -> data/snapshot, data/quarantine; first writes the simulated shop, if data.simulated."""

import json
import logging
from pathlib import Path

from components.data import notices, shop
from components.data.snapshot import read_snapshot_info, take_snapshot
from components.settings import Settings
from components.stages.run import stage, write_metrics
from components.tombstones import SOURCES_KEY, Forgotten

log = logging.getLogger("ingest")


def read_forgotten(root: Path) -> Forgotten | None:
    """Return the users whom the shop has forgotten; run/sources.json says whether there are any."""
    named = json.loads((root / "run/sources.json").read_bytes()).get(SOURCES_KEY)
    settings = Settings().resolved(root.resolve())
    return Forgotten.read(settings.shop(named["shop"]), settings.erasure_secret) if named else None


def main() -> None:
    """Take the snapshot as of data.as_of."""
    with stage("ingest", "data/snapshot", "data/quarantine", "reports/ingest") as params:
        root = Path()
        if params.data.simulated:
            shop.write_shop(params.shop, params.seed, Path("data/raw"))
        else:
            root = Settings().data_root or root
        snapshot, reports = Path("data/snapshot"), Path("reports/ingest")
        folders = (root, snapshot, Path("data/quarantine"))
        quality = take_snapshot(params.data, *folders, read_forgotten(Path()), params.privacy)
        metrics = {f"{t}/{k}": float(n) for t, q in quality.items() for k, n in q.counts.model_dump().items()}
        metrics |= {f"masked/{t}/{kind}": float(n.valid) for t, q in quality.items() for kind, n in q.masked.items()}
        write_metrics(reports, metrics | {f"snapshot_rows/{t}": float(q.rows.valid) for t, q in quality.items()})
        info = read_snapshot_info(snapshot)
        for notice in [*notices.later_rows(info), *notices.old_events(snapshot, info)]:
            log.warning("%s", notice)
        report = {table: q.model_dump(mode="json") for table, q in quality.items()}
        (reports / "quality.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
