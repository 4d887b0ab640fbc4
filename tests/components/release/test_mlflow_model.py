"""The model's files as MLflow reads them. tests/components/offline/test_pyfunc.py loads and serves a version."""

import json
import re
from importlib import metadata
from pathlib import Path

import yaml

from components.release.mlflow_model import requirements, write_model
from tests.components.release.support import lineage_of
from tests.support import ROOT


def test_mlflow_reads_signature_example_and_lineage(bundle: Path, tmp_path: Path) -> None:
    from mlflow.models import Model

    lineage = lineage_of(bundle)
    folder = write_model(tmp_path / "model", bundle, ROOT / "params.yaml", "run-1", "teas", lineage)
    model = Model.load(str(folder))
    assert model.signature is not None
    assert model.signature.inputs.input_names() == ["user_id", "history"]
    assert model.signature.inputs.required_input_names() == []
    assert model.signature.outputs.input_names() == ["item_ids", "scores", "model", "reason"]
    assert model.load_input_example(str(folder))["history"].tolist() == [["sku-1", "sku-2"]]
    assert model.metadata == {key: str(value) for key, value in lineage}
    config = model.flavors["python_function"]["config"]
    assert config == {"run_id": "run-1", "bundle_digest": lineage.bundle_digest, "release": "teas"}
    request = json.loads((folder / "serving_input_example.json").read_text())
    assert request == {"dataframe_split": {"columns": ["history"], "data": [[["sku-1", "sku-2"]]]}}
    assert (folder / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()
    conda = yaml.safe_load((folder / "conda.yaml").read_text())
    assert conda["dependencies"][-1] == {"pip": requirements()}


def test_every_requirement_is_pinned_to_what_is_installed() -> None:
    pins = dict(line.split("==") for line in requirements())
    assert len(pins) > 20
    assert metadata.version("mlflow") == pins["mlflow"]
    assert all(re.fullmatch(r"[\w.]+", version) for version in pins.values())  # no build such as 2.13.0+cpu
