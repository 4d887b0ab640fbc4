from collections.abc import Callable
from pathlib import Path

import pytest

from components.contracts import ChampionRef
from components.errors import ReleaseError
from components.release.bundle import open_bundle
from components.release.registry import Registry

Register = Callable[..., int]


def test_a_version_comes_back_as_it_went_in(
    registry: Registry, register: Register, bundle: Path, tmp_path: Path
) -> None:
    number = register(metrics={"test/ease/ndcg_at_10": 0.1 + 0.2, "fit/seconds": 3.0})
    version = registry.version(number)
    assert (number, version.number) == (1, 1)
    assert version.lineage.bundle_digest == open_bundle(bundle).digest
    assert version.lineage.git_dirty is False
    assert version.metrics["test/ease/ndcg_at_10"] == 0.1 + 0.2  # to the last bit
    assert version.metrics["train/loss"] == 1.25
    assert registry.alias("challenger") == version
    assert registry.alias("champion") is None
    assert registry.ref(1) == ChampionRef(version=1, digest=version.lineage.bundle_digest, model="ease")
    assert open_bundle(registry.fetch(1, tmp_path / "got"), version.lineage.bundle_digest)
    assert (
        registry.artifact(1, "run/params.yaml", tmp_path / "x").read_bytes()
        == (tmp_path / "run_folder/run/params.yaml").read_bytes()
    )
    assert registry.artifact(1, "reports/evaluate/report.html", tmp_path / "x").exists()
    with pytest.raises(ReleaseError):
        registry.artifact(1, "reports/evaluate/per_user.parquet", tmp_path / "x")
