"""Stages ingest, split, pretrain (none) and encode on a tiny simulated shop, in the order of dvc.yaml, run twice."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
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
