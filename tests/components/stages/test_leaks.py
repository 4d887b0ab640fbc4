"""No stage that trains, and no tuning trial, starts on a split in which a window leaked into an earlier one."""

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from components.contracts import Catalogue, Interactions, Users
from components.data.tables import SplitInfo
from components.errors import ContractError
from components.params import Params, load
from components.tuning.measure import read_tuning_data
from tests.components.stages.support import write_split
from tests.support import ROOT

World = tuple[Interactions, Catalogue, Users]
DAG = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
TRAINING = [name for name, stage in DAG.items() if any(str(out).startswith("models/") for out in stage["outs"])]
PROTOCOLS = ("global_time", "leave_one_out")


@pytest.fixture(scope="module")
def params() -> Params:
    return load(ROOT / "params.yaml")


@pytest.fixture
def workspace(tmp_path: Path, world: World, params: Params, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_split(tmp_path, world)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def set_protocol(split: Path, protocol: str) -> None:
    """Write the protocol into split.json."""
    info = SplitInfo.model_validate_json((split / "split.json").read_text()).model_copy(update={"protocol": protocol})
    (split / "split.json").write_text(info.model_dump_json())


def copied(split: Path, source: str) -> None:
    """Copy a window's first event of a known user into the training window."""
    train, other = (pq.read_table(split / f"{window}.parquet") for window in ("train", source))
    rows = pa.concat_tables([train, other.filter(pc.field("user_idx") > 0).slice(0, 1)])
    pq.write_table(rows, split / "train.parquet", write_page_checksum=True)


def delayed(split: Path, _: str) -> None:
    """Move the first known user's last training event after all other events."""
    table = pq.read_table(split / "train.parquet")
    users, times = table["user_idx"].to_numpy(), table["timestamp"].to_numpy().copy()
    times[np.flatnonzero(users == users[users > 0].min())[-1]] = 4 * 10**15
    table = table.set_column(table.column_names.index("timestamp"), "timestamp", pa.array(times))
    pq.write_table(table, split / "train.parquet", write_page_checksum=True)


def test_the_list_of_training_stages() -> None:
    assert TRAINING == ["pretrain", "fit", "finetune", "rank", "blend", "incumbent", "complete"]


@pytest.mark.parametrize("name", TRAINING)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("plant", "source"), [(copied, "validation"), (copied, "test"), (delayed, "")])
def test_no_stage_trains_on_a_leaking_split(
    workspace: Path, name: str, protocol: str, plant: Callable[[Path, str], None], source: str
) -> None:
    set_protocol(workspace / "data/split", protocol)
    plant(workspace / "data/split", source)
    with pytest.raises(SystemExit, match=rf"^{name}: leakage: data/split/\w+\.parquet h(as|olds) \d+ event"):
        importlib.import_module(f"components.stages.{name}").main()
    left = [p for out in DAG[name]["outs"] for p in Path(str(out)).rglob("*")]
    assert left == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_trial_trains_on_a_leaking_split(workspace: Path, protocol: str, params: Params) -> None:
    set_protocol(workspace / "data/split", protocol)
    (workspace / "data/split/test.parquet").unlink()
    read_tuning_data(workspace, params)
    copied(workspace / "data/split", "validation")
    with pytest.raises(ContractError, match=r"leakage: .*train\.parquet h(as|olds) 1 event"):
        read_tuning_data(workspace, params)
