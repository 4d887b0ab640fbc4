"""From MLflow alone: find runs, compare candidates, load the champion, predict, serve; lists are the service's."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from components.errors import ContractError, TamperedError
from components.release.registry import Registry
from components.serving.storage.event_store import EventStore
from tests.components.serving.processes import free_port
from tests.support import ROOT

MODEL = "models:/carousel@champion"


def lists_of_service(client: TestClient, bodies: list[dict[str, Any]]) -> list[tuple[list[str], list[float], Any]]:
    replies = [client.post("/recommend", json=body).json() for body in bodies]
    return [
        ([i["item_id"] for i in r["items"]], [i["score"] for i in r["items"]], (r["model"], r["reason"]))
        for r in replies
    ]


def lists_of_frame(frame: pd.DataFrame) -> list[tuple[list[str], list[float], Any]]:
    return [
        (list(row.item_ids), list(row.scores), (row.model, None if pd.isna(row.reason) else row.reason))
        for row in frame.itertuples()
    ]


def test_from_mlflow_alone(served: Registry, store: EventStore, client: TestClient) -> None:
    """A script that imports nothing but MLflow and pandas."""
    import mlflow

    (parent,) = mlflow.search_runs(
        experiment_names=["carousel"], filter_string="tags.release = 'carousel'", output_format="list"
    )
    children = mlflow.search_runs(
        experiment_names=["carousel"],
        filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
        order_by=["metrics.ndcg_at_10 DESC"],
    )
    assert children["tags.mlflow.runName"].tolist() == ["ease", "als"]
    assert children["metrics.ndcg_at_10"].tolist() == [0.25, 0.2]
    model = mlflow.pyfunc.load_model(MODEL)
    assert model.metadata.signature.inputs.input_names() == ["user_id", "history"]
    assert model.metadata.metadata["data_version"] == "d.dir"
    example = mlflow.models.Model.load(MODEL).load_input_example()
    assert example["history"].tolist() == [["sku-1", "sku-2"]]
    users = [f"u-{n}" for n in range(1, 8)] + ["stranger", "nobody", "u-5"]
    found = model.predict(pd.DataFrame({"user_id": users}), params={"k": 5})
    assert lists_of_frame(found) == lists_of_service(client, [{"user_id": user, "k": 5} for user in users])
    histories = [["sku-2", "sku-4"], ["unknown"], ["sku-7"]]
    found = model.predict(pd.DataFrame({"history": histories}))
    bodies = [{"history": [{"item_id": item} for item in items]} for items in histories]
    assert lists_of_frame(found) == lists_of_service(client, bodies)
    both = pd.DataFrame({"user_id": ["u-3", "u-4"], "history": [[], ["sku-1"]]}, index=[7, 9])
    found = model.predict(both)
    assert found.index.tolist() == [7, 9]
    expected = lists_of_service(client, [{"user_id": "u-3"}, {"history": [{"item_id": "sku-1"}]}])
    assert lists_of_frame(found) == expected


def test_wrong_input_says_what_was_expected(served: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow
    from mlflow.exceptions import MlflowException

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("CAROUSEL_HOME", str(elsewhere / "none"))
    model = mlflow.pyfunc.load_model(MODEL)
    with pytest.raises(ContractError, match="give histories"):
        model.predict(pd.DataFrame({"user_id": ["u-1"]}))
    with pytest.raises(ContractError, match="expected the columns user_id, history or both"):
        model.unwrap_python_model().predict(None, pd.DataFrame({"user": ["u-1"]}))
    with pytest.raises(ContractError, match="k is 1000000"):
        model.predict(pd.DataFrame({"history": [["sku-1"]]}), params={"k": 1_000_000})
    with pytest.raises(MlflowException, match="history"):
        model.predict(pd.DataFrame({"history": ["sku-1"]}))
    assert list(elsewhere.iterdir()) == []


def test_a_damaged_bundle_is_not_loaded(served: Registry) -> None:
    import mlflow

    (file,) = served.settings.home.glob("mlflow-artifacts/*/artifacts/bundle/items.parquet")
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(TamperedError, match=r"items\.parquet"):
        mlflow.pyfunc.load_model(MODEL)


def test_the_record_holds_no_pickle_and_pins_every_package(served: Registry) -> None:
    (folder,) = served.settings.home.glob("mlflow-artifacts/*/artifacts/model")
    assert sorted(p.name for p in folder.iterdir()) == [
        "MLmodel", "carousel_model.py", "conda.yaml", "input_example.json", "params.yaml", "python_env.yaml",
        "requirements.txt", "serving_input_example.json",
    ]  # fmt: skip
    pins = (folder / "requirements.txt").read_text().splitlines()
    assert all(pin.count("==") == 1 for pin in pins)
    assert {"carousel-mlops", "mlflow", "numpy", "torch"} <= {pin.partition("==")[0] for pin in pins}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mlflows_commands_predict_and_serve_without_a_network(
    served: Registry, store: EventStore, client: TestClient, tmp_path: Path
) -> None:
    bodies: list[dict[str, Any]] = [{"user_id": "u-3", "k": 4}, {"user_id": "u-6", "k": 4}]
    expected = [items for items, _, _ in lists_of_service(client, bodies)]
    request = {"dataframe_records": [{"user_id": body["user_id"]} for body in bodies], "params": {"k": 4}}
    (tmp_path / "request.json").write_text(json.dumps(request))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # `serve` calls uvicorn
    env = os.environ | {
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    mlflow = [sys.executable, "-m", "mlflow", "models"]
    common = ["--model-uri", MODEL, "--env-manager", "local"]
    out = tmp_path / "out.json"
    command = [*mlflow, "predict", *common, "--input-path", str(tmp_path / "request.json"), "--output-path", str(out)]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [row["item_ids"] for row in json.loads(out.read_text())["predictions"]] == expected
    port = free_port()
    server = subprocess.Popen([*mlflow, "serve", *common, "--port", str(port)], env=env, cwd=tmp_path)
    try:
        reply = ask(f"http://127.0.0.1:{port}/invocations", request, server)
        assert [row["item_ids"] for row in reply["predictions"]] == expected
    finally:
        server.terminate()
        server.wait(60)


def ask(url: str, body: dict[str, Any], server: subprocess.Popen[bytes]) -> Any:
    """Return the answer, after waiting for the server."""
    content = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    for _ in range(400):
        assert server.poll() is None
        try:
            with urllib.request.urlopen(content, timeout=60) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(1)
    raise AssertionError("the server does not answer")
