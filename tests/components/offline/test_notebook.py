"""The module for notebooks: data frames that hold what the service answers; no state between two models."""

import json
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from components.errors import ContractError
from components.offline.model import OfflineModel
from components.offline.notebook import ShopModel, load
from components.recommenders.factory import MODELS
from components.release.registry import Registry
from components.serving.schemas import RecommendRequest
from components.serving.storage.event_store import EventStore
from infra.docs.notebook import NOTEBOOK, execute
from tests.components.offline.test_evaluation import START, frame_of_checkerboard
from tests.support import ROOT


@pytest.fixture
def shop(model: OfflineModel, tmp_path: Path) -> ShopModel:
    return ShopModel(model, tmp_path)


def test_a_folder_needs_no_checkout_and_no_registry(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.setenv("CAROUSEL_HOME", str(empty / "home"))
    shop = load(folder=bundle, sets=["serving.max_k=7"])
    assert repr(shop).startswith("<ShopModel bundle folder: ease, 20 products")
    found = shop.recommend(history=["sku-1", {"item_id": "sku-3", "event": "purchase"}], k=7)
    assert found.columns.tolist() == ["position", "item_id", "title", "score"]
    assert found["position"].tolist() == list(range(1, 8))
    assert found["title"].head(5).str.contains("odd red").all()
    with pytest.raises(ContractError, match=r"serving\.max_k \(7\)"):
        shop.recommend(history=["sku-1"], k=8)
    with pytest.raises(ContractError, match="give a history"):
        shop.recommend("ann", k=3)
    assert len(load(folder=bundle).recommend(history=["sku-1"], k=8)) == 8  # the other model's values are its own
    assert list(empty.iterdir()) == []
    with pytest.raises(ContractError, match=r"expected a checkout with params\.yaml"):
        load()
    with pytest.raises(ContractError, match="leave one out"):
        load(version=1, folder=bundle)


def test_frames_hold_the_answers_of_the_service(shop: ShopModel, model: OfflineModel) -> None:
    found = shop.recommend("u-6", k=4, rules=["price < 8"], explain=True, diversity=0.2)
    request = {"user_id": "u-6", "k": 4, "filters": {"rules": ["price < 8"]}, "explain": True, "diversity": 0.2}
    items = model.recommend(RecommendRequest.model_validate(request)).items
    assert found["item_id"].tolist() == [item.item_id for item in items]
    assert found["explained_by"].tolist() == [item.explained_by for item in items]
    assert found["ease"].tolist() == [(item.contributions or {})["ease"] for item in items]
    assert found.attrs == {"model": "ease", "reason": None}
    assert shop.recommend("nobody").attrs["reason"] == "no history"
    empty = shop.recommend("u-6", rules=["price < 0"])
    assert (len(empty), empty.columns.tolist()) == (0, ["position", "item_id", "title", "score"])
    explained = shop.explain("u-6", ["sku-2", "unknown", "sku-3"])
    assert explained["item_id"].tolist() == ["sku-2", "sku-3"]
    assert shop.search("blue thing", k=3)["title"].str.contains("blue").all()
    assert "sku-3" not in shop.similar("sku-3", k=5)["item_id"].tolist()
    assert len(shop.bought_together("sku-3", k=2)) == 2
    assert shop.users(2) == ["stranger", "u-1"]
    assert shop.users(1, after="u-1") == ["u-2"]
    with pytest.raises(ContractError, match="request: k"):
        shop.recommend("u-6", k=0)
    with pytest.raises(ContractError, match="request: kk"):
        shop.recommend("u-6", kk=1)


def test_evaluation_of_a_frame(shop: ShopModel) -> None:
    found = shop.evaluate(frame_of_checkerboard(), START.replace(tzinfo=None), START + timedelta(days=1))
    assert found.index.tolist() == ["ease", "popularity"]


def shapes(notebook: dict[str, Any]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield of each output: its type, its forms, and the columns of a table without the names of models."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            table = re.search("<thead>.*?</thead>", "".join(output.get("data", {}).get("text/html", [])), re.DOTALL)
            columns = re.findall("<th>(.*?)</th>", table[0]) if table else []
            yield output["output_type"], sorted(output.get("data", {})), [c for c in columns if c not in MODELS]


def test_the_notebook_of_the_docs_runs_on_another_shop(
    served: Registry, store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Executed anew in a checkout with a champion, its outputs have the forms and columns of the stored ones."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "data/snapshot/events").mkdir(parents=True)
    frame_of_checkerboard().to_parquet(tmp_path / "data/snapshot/events/part.parquet")
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")  # where Jupyter starts it
    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    done = execute(stored)
    assert list(shapes(done)) == list(shapes(stored))
    assert sum(bool(columns) for _, _, columns in shapes(done)) >= 5  # tables
    assert [cell["source"] for cell in done["cells"]] == [cell["source"] for cell in stored["cells"]]
