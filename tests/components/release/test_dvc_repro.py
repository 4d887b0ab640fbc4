import io
from collections import OrderedDict
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import _yaml

from components.release import dvc_repro, versioning
from tests.components.release.tiny_repo import STAGES

STAGE = {
    "cmd": "python -m components.stages.fit",
    "deps": [{"path": "data/split", "hash": "md5", "md5": "0" * 32 + ".dir", "size": 12, "nfiles": 3}],
    "params": {"run/params.yaml": {"models.als": {"alpha": 40.0, "factors": 128}, "data.vectors": [], "seed": 42}},
    "outs": [{"path": "models/simple", "hash": "md5", "md5": "12345678901234567890123456789e12"}],
}


def lock(*names: str) -> dict[str, Any]:
    return {"schema": "2.0", "stages": {name: OrderedDict(deepcopy(STAGE)) for name in names}}


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed up DVC until the end of the test."""
    for name in ("parse_yaml_for_update", "_dump"):
        monkeypatch.setattr(_yaml, name, getattr(_yaml, name))
    dvc_repro.speed_up()


def written(data: Any, dump: Any) -> str:
    stream = io.StringIO()
    dump(data, stream)
    return stream.getvalue()


def test_the_bytes_are_those_of_dvc() -> None:
    stages = lock("fit", "blend")  # not in alphabetical order
    assert written(stages, dvc_repro.dump) == written(stages, _yaml._dump)


@pytest.mark.parametrize(
    "value", [None, "", "null", "yes", "1e5", "2011-06-01", "a: b # c", "l1\nl2", 1e-9, True, "产品"]
)
def test_dvc_reads_the_values_that_were_written(value: Any) -> None:
    assert _yaml.parse_yaml(written({"value": value}, dvc_repro.dump), "dvc.lock") == {"value": value}


@pytest.mark.usefixtures("fast")
def test_dvc_changes_a_file_by_the_fast_parser_and_writer(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(written(lock("fit", "blend"), dvc_repro.dump), encoding="utf-8")
    with _yaml.modify_yaml(tmp_path / "dvc.lock") as data:
        assert type(data) is dict  # the slow parser returns a mapping that keeps comments
        data["stages"]["rank"] = deepcopy(STAGE)
    expected = written(lock("fit", "blend", "rank"), dvc_repro.dump)
    assert (tmp_path / "dvc.lock").read_text(encoding="utf-8") == expected


@pytest.mark.slow
def test_dvc_alone_finds_an_unchanged_stage(repo: Path) -> None:
    for stage in STAGES:
        versioning.reproduce_stage(repo, stage, 60)
    assert not any(versioning.reproduce_stage(repo, stage, 60, check=False).ran for stage in STAGES)
    (repo / "run/params.yaml").write_text("rows: 1234\nknob: 1\n", encoding="utf-8")
    assert all(versioning.reproduce_stage(repo, stage, 60, check=False).ran for stage in STAGES)
