import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Ranked, Users
from components.errors import ContractError, ReleaseError
from components.release.bundle import Bundle, BundleInfo, BundleSources, build_bundle, open_bundle
from components.release.smoke_test import smoke_test, wait_until_serving


def test_a_valid_bundle_passes(bundle: Path) -> None:
    assert smoke_test(open_bundle(bundle)) is None


def test_parts_of_different_bundles_are_an_error(sources: BundleSources, info: BundleInfo, tmp_path: Path) -> None:
    build_bundle(tmp_path / "odd", sources, info.model_copy(update={"model": "als"}))
    with pytest.raises(ReleaseError, match=r"info\.json says"):
        smoke_test(open_bundle(tmp_path / "odd"))
    with pytest.raises(ContractError, match=r"items\.parquet holds 20 products, info\.json says 21"):
        build_bundle(tmp_path / "large", sources, info.model_copy(update={"n_items": 21}))


class Silent:
    """Recommends no item, or gives a score that is not finite."""

    name = "ease"

    def __init__(self, score: float, item: int) -> None:
        self.score, self.item = score, item

    def recommend(self, users: Users, k: int, exclude_seen: bool) -> Ranked:
        shape = (len(users), k)
        return Ranked(np.full(shape, self.item, np.int32), np.full(shape, self.score, np.float32))


@pytest.mark.parametrize(("score", "item"), [(-np.inf, 0), (np.nan, 1), (np.inf, 1), (0.5, 99)])
def test_a_model_that_does_not_answer_is_refused(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, score: float, item: int
) -> None:
    monkeypatch.setattr(Bundle, "model", Silent(score, item))
    with pytest.raises(ReleaseError, match="ease"):
        smoke_test(open_bundle(bundle))


def test_a_damaged_model_with_a_matching_manifest_is_refused(bundle: Path) -> None:
    """The manifest matches the files, but the model cannot be loaded."""
    content = json.dumps({"name": "ease", "format": 1, "n_items": 20}).encode()
    (bundle / "model/model.json").write_bytes(content)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"]["model/model.json"] = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ContractError, match="'params' is not Ease"):
        smoke_test(open_bundle(bundle))


def test_without_an_address_no_service_is_asked() -> None:
    assert "not asked" in wait_until_serving("", 1)
    assert "not an http address" in wait_until_serving("ftp://shop", 1)
