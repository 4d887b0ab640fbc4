"""Stage `fit` on a split made by hand: every simple model is there, loads, and is the same again."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.numpy import save_file

from components.contracts import Catalogue, Interactions, Users
from components.data.tables import SplitInfo, read_users
from components.params import load
from components.recommenders.library import SIMPLE, load_model
from components.stages import fit

World = tuple[Interactions, Catalogue, Users]


def write_split(folder: Path, world: World) -> None:
    """Write what `split` and `encode` would leave of the checkerboard."""
    events, catalogue, users = world
    split, features = folder / "data/split", folder / "features"
    split.mkdir(parents=True)
    features.mkdir()
    n = len(catalogue)
    columns = ("item_id", "title", "brand", "category", "language")
    items = {"item_idx": np.arange(1, n + 1, dtype=np.int32), **{c: getattr(catalogue, c)[1:] for c in columns}}
    items |= {"description": [""] * n, "price": catalogue.price[1:].astype(np.float64)}
    pq.write_table(pa.table(items), split / "items.parquet", write_page_checksum=True)
    names = ("user_idx", "item_idx", "timestamp", "event", "weight")
    train = {c: getattr(events, c) for c in names} | {"target": np.ones(len(events), bool)}
    pq.write_table(pa.table(train), split / "train.parquet", write_page_checksum=True)
    assert users.targets is not None
    next_ones = {c: getattr(users.targets, c) for c in names[1:]}
    who = np.repeat(users.user_idx, np.diff(users.targets.offsets))
    later = {"user_idx": who, **next_ones, "target": np.ones(len(who), bool)}
    for window in ("validation", "test"):
        pq.write_table(pa.table(later), split / f"{window}.parquet", write_page_checksum=True)
    info = SplitInfo(
        protocol="global_time",
        train_end=events.now,
        validation_end=2 * events.now,
        test_end=3 * events.now,
        n_users=events.n_users,
        n_items=n,
        max_history=50,
        simulated=True,
    )
    (split / "split.json").write_text(info.model_dump_json())
    assert catalogue.embedding is not None
    save_file({"embedding": catalogue.embedding.astype(np.float16)}, features / "items.safetensors")


@pytest.fixture
def workspace(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_split(tmp_path, world)
    params = load(Path(__file__).parents[3] / "params.yaml", overrides=["models.als.factors=4"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run/params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def digest(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_each_simple_model_is_fitted_saved_and_timed(workspace: Path) -> None:
    fit.main()
    users = read_users(workspace / "data/split", "validation")
    for name in SIMPLE:
        ranked = load_model(workspace / "models/simple" / name).recommend(users, 5)
        assert (ranked.items > 0).all()
    metrics = json.loads((workspace / "reports/fit/metrics.json").read_text())
    assert {f"fit/{name}/seconds" for name in SIMPLE} <= set(metrics)
    assert metrics["fit/events"] == 240


def test_a_second_run_gives_the_same_bytes_and_leaves_nothing_old(workspace: Path) -> None:
    fit.main()
    first = digest(workspace / "models/simple")
    (workspace / "models/simple/relic").mkdir()
    fit.main()
    assert digest(workspace / "models/simple") == first
    assert not (workspace / "models/simple/relic").exists()


def test_embeddings_of_another_split_end_the_stage_with_a_message(workspace: Path) -> None:
    save_file({"embedding": np.zeros((3, 4), np.float16)}, workspace / "features/items.safetensors")
    with pytest.raises(SystemExit, match="run the stage `encode` again"):
        fit.main()
    assert not (workspace / "reports/fit/metrics.json").exists()
