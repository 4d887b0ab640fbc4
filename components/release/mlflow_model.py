"""The files that make a registered version an MLflow model: models from code, without pickle.

    model/MLmodel                what MLflow reads first: signature, how to load, where the bundle is
    model/carousel_model.py      the code that MLflow runs: it imports components.offline.pyfunc
    model/params.yaml            the parameters of the run
    model/input_example.json     two products as a history; serving_input_example.json is the same as a request
    model/requirements.txt       the installed versions of what Carousel needs; conda.yaml and python_env.yaml name it

They are in the record of the version beside bundle/, not in it: a bundle holds no code, and its manifest and digest do
not change. Carousel itself reads none of them.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from components.contracts import Lineage
from components.errors import ContractError

FOLDER = "model"  # in the record of a version, beside bundle/
CODE, PARAMS, REQUIREMENTS = "carousel_model.py", "params.yaml", "requirements.txt"
DISTRIBUTION = "carousel-mlops"
SCRIPT = '''"""Loads a version of Carousel for MLflow; the package carousel-mlops must be installed."""

from mlflow.models import set_model

from components.offline.pyfunc import CarouselModel

set_model(CarouselModel())
'''
DEFAULT_K = 10  # length of a list


def write_model(folder: Path, bundle: Path, run_params: Path, run_id: str, release: str, lineage: Lineage) -> Path:
    """Fill the new folder with the model's files; return it. run_id: of the record that holds the bundle."""
    from mlflow.models import Model

    folder.mkdir(parents=True)
    (folder / CODE).write_text(SCRIPT, encoding="utf-8")
    shutil.copyfile(run_params, folder / PARAMS)
    _write_environment(folder)
    model = Model(run_id=run_id, artifact_path=FOLDER, signature=_signature())
    model.metadata = {key: str(value) for key, value in lineage}
    model.saved_input_example_info = _write_example(folder, bundle)
    model.add_flavor(  # as mlflow.pyfunc.add_to_model does, whose import takes a second
        "python_function",
        loader_module="mlflow.pyfunc.loaders.code_model",
        model_code_path=CODE,
        python_version=platform.python_version(),
        env={"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
        config={"run_id": run_id, "bundle_digest": lineage.bundle_digest, "release": release},
        artifacts={"params": {"path": PARAMS, "uri": PARAMS}},
        streamable=False,
    )
    model.save(str(folder / "MLmodel"))
    return folder


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    texts = Array(DataType.string)
    inputs: list[Any] = [ColSpec(DataType.string, "user_id", required=False), ColSpec(texts, "history", required=False)]
    outputs: list[Any] = [
        ColSpec(texts, "item_ids"),
        ColSpec(Array(DataType.double), "scores"),
        ColSpec(DataType.string, "model"),
        ColSpec(DataType.string, "reason", required=False),
    ]
    params = ParamSchema([ParamSpec("k", DataType.long, DEFAULT_K)])
    return ModelSignature(Schema(inputs), Schema(outputs), params)


def _write_example(folder: Path, bundle: Path) -> dict[str, str]:
    """Write the input example in both of MLflow's formats; return what MLmodel says about it. It names no user."""
    table = pq.read_table(bundle / "items.parquet", columns=["item_id"], page_checksum_verification=True)
    items = table["item_id"].slice(0, 2).to_pylist()
    frame = {"columns": ["history"], "data": [[items]]}
    names = {"input_example.json": frame, "serving_input_example.json": {"dataframe_split": frame}}
    for name, content in names.items():
        (folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    path, serving = names
    return {"artifact_path": path, "serving_input_path": serving, "type": "dataframe", "pandas_orient": "split"}


def _write_environment(folder: Path) -> None:
    (folder / REQUIREMENTS).write_text("\n".join(requirements()) + "\n", encoding="utf-8")
    python = platform.python_version()
    build = [f"pip=={metadata.version('pip')}"] if _is_installed("pip") else ["pip"]
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": requirements()}],
    }
    venv = {"python": python, "build_dependencies": build, "dependencies": [f"-r {REQUIREMENTS}"]}
    for name, content in {"conda.yaml": conda, "python_env.yaml": venv}.items():
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def requirements() -> list[str]:
    """Return Carousel and what it requires, each pinned to the installed version."""
    if not _is_installed(DISTRIBUTION):
        raise ContractError(f"the package {DISTRIBUTION} is not installed; run `pip install -e .` in the checkout")
    lines = [line for line in metadata.requires(DISTRIBUTION) or [] if "extra ==" not in line]
    names = [DISTRIBUTION, *(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in lines)]
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in names if _is_installed(name)]


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
