"""Stage `ingest`: sources -> data/snapshot, data/quarantine; first writes the simulated shop, if data.simulated."""

import json
import logging
from pathlib import Path

from components.data import notices, shop
from components.data.engines import open_engine
from components.data.given_vectors import take_vectors
from components.data.partitions import read_table
from components.data.picture_folders import open_folder
from components.data.pictures import take_pictures
from components.data.snapshot import read_snapshot_info, take_snapshot
from components.params import DataParams
from components.settings import Settings
from components.stages.run import stage, write_metrics
from components.tombstones import SOURCES_KEY, Forgotten

log = logging.getLogger("ingest")


def read_forgotten(root: Path) -> Forgotten | None:
    """Return the users whom the shop has forgotten; run/sources.json says whether there are any."""
    named = json.loads((root / "run/sources.json").read_bytes()).get(SOURCES_KEY)
    settings = Settings().resolved(root.resolve())
    return Forgotten.read(settings.shop(named["shop"]), settings.erasure_secret) if named else None


def take_modalities(data: DataParams, root: Path, snapshot: Path, quarantine: Path) -> dict[str, dict[str, int]]:
    """Add pictures and given vectors of the snapshot's products to it; return what was read, by name and outcome."""
    if data.pictures is None and not data.vectors:
        return {}
    products = read_table(snapshot, "products", ["item_id", "image"])
    found: dict[str, dict[str, int]] = {}
    if data.pictures is not None:
        counts = take_pictures(products, open_folder(data.pictures, root), snapshot, quarantine)
        counts.check(data.max_bad_pictures, data.pictures)
        found["pictures"] = counts.model_dump()
    item_ids = set(products["item_id"].to_pylist())
    for name, source in sorted(data.vectors.items()):
        taken = take_vectors(name, source, item_ids, root, snapshot, quarantine, data.max_bad_share)
        found[f"vectors.{name}"] = taken.model_dump()
    return found


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
        with open_engine(params.data) as engine:
            quality = take_snapshot(params.data, *folders, read_forgotten(Path()), params.privacy, engine)
        metrics = {f"{t}/{k}": float(n) for t, q in quality.items() for k, n in q.counts.model_dump().items()}
        modalities = take_modalities(params.data, *folders)
        metrics |= {f"{name}/{k}": float(n) for name, counts in modalities.items() for k, n in counts.items()}
        metrics |= {f"masked/{t}/{kind}": float(n.valid) for t, q in quality.items() for kind, n in q.masked.items()}
        write_metrics(reports, metrics | {f"snapshot_rows/{t}": float(q.rows.valid) for t, q in quality.items()})
        info = read_snapshot_info(snapshot)
        for notice in [*notices.later_rows(info), *notices.old_events(snapshot, info)]:
            log.warning("%s", notice)
        report = {table: q.model_dump(mode="json") for table, q in quality.items()}
        report |= {name: {"counts": counts} for name, counts in modalities.items()}
        (reports / "quality.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
