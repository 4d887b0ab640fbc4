"""Stages ingest, split, pretrain (none) and encode on a tiny simulated shop, in the order of dvc.yaml, run twice."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from components.data import tables
from components.stages import encode, ingest, pretrain, resolve, split

TINY = """\
shop.n_users=40
shop.n_items=60
shop.bad_share=0.004
language.max_tokens=16
language.pretrain.method=none"""


@pytest.fixture
def checkout(enter: Callable[[str], Path]) -> Path:
    return enter(TINY)


def digests(checkout: Path, *folders: str) -> dict[str, str]:
    files = [p for f in folders for p in sorted((checkout / f).rglob("*")) if p.is_file()]
    return {str(p.relative_to(checkout)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_from_the_shop_to_vectors(checkout: Path) -> None:
    for stage in (resolve, ingest, split, pretrain, encode):
        stage.main()
    quality = json.loads((checkout / "reports/ingest/quality.json").read_text())
    counts = quality["events"]["counts"]
    assert counts["read"] == sum(n for name, n in counts.items() if name != "read")
    assert counts["quarantined"] > 0
    assert sum(quality["events"]["rules"].values()) == counts["quarantined"] + counts["duplicates"]
    catalogue = tables.read_catalogue(Path("data/split"), Path("features"))
    assert catalogue.embedding is not None
    np.testing.assert_allclose(np.linalg.norm(catalogue.embedding[1:], axis=1), 1.0, atol=2e-3)
    assert not catalogue.embedding[0].any()
    metrics = json.loads((checkout / "reports/split/metrics.json").read_text())
    assert metrics["items"] == 60
    assert metrics["test/users"] == len(tables.read_users(Path("data/split"), "test"))
    assert load_file("features/items.safetensors")["embedding"].dtype == np.float16
    outs = ("data/snapshot", "data/quarantine", "data/split", "models/language", "features")
    before = digests(checkout, *outs)
    for stage in (ingest, split, pretrain, encode):
        stage.main()
    assert digests(checkout, *outs) == before
    assert "truth" not in str(before)


def test_too_many_bad_rows_stop_the_run(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAROUSEL_OVERRIDES", TINY.replace("0.004", "0.2"))
    resolve.main()
    with pytest.raises(SystemExit, match=r"ingest: events: .* broke a rule, more than data\.max_bad_share"):
        ingest.main()
    assert (checkout / "data/quarantine/events.parquet").exists()


def test_pictures_and_given_vectors_go_from_the_shop_to_the_catalogue(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sounds = pa.table({"sku": ["P00001", "P00002"], "sound": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]})
    pq.write_table(sounds, checkout / "sounds.parquet")
    pictures = ["shop.pictures=true", "shop.missing_pictures=0.5", "data.pictures=data/raw/pictures"]
    audio = "data.vectors={audio: {path: sounds.parquet, id: sku, column: sound}}"
    monkeypatch.setenv("CAROUSEL_OVERRIDES", "\n".join([TINY, *pictures, audio, "models.multimodal.dims=8"]))
    for stage in (resolve, ingest, split, pretrain, encode):
        stage.main()
    metrics = json.loads((checkout / "reports/ingest/metrics.json").read_text())
    assert metrics["pictures/read"] == 60
    assert 0 < metrics["pictures/valid"] == 60 - metrics["pictures/absent"] < 60
    assert metrics["vectors.audio/valid"] == 2
    catalogue = tables.read_catalogue(Path("data/split"), Path("features"))
    assert catalogue.vectors is not None
    assert {name: rows.shape for name, rows in catalogue.vectors.items()} == {"audio": (61, 3), "picture": (61, 8)}
    assert catalogue.vectors["picture"].any(axis=1).sum() == metrics["pictures/valid"]
    assert catalogue.vectors["audio"].any(axis=1).sum() == 2
    before = digests(checkout, "data/snapshot", "features")
    for stage in (ingest, encode):
        stage.main()
    assert digests(checkout, "data/snapshot", "features") == before
