"""A run is found by its tags: begun once, with its children below it; the run of a version has its candidates."""

import json
from pathlib import Path

from components.release.registry import Registry
from tests.components.release.support import Register


def test_a_search_is_one_run_with_its_trials_below_it(registry: Registry, tmp_path: Path) -> None:
    runs = registry.runs
    parent = runs.begin("tune", {"search": "abc", "release": "carousel"})
    assert runs.begin("tune", {"search": "abc", "release": "carousel"}) == parent
    assert runs.begin("tune", {"search": "other", "release": "carousel"}) != parent
    curves = {"epoch/ndcg_at_10": [0.1, 0.3, 0.2], "validation/ndcg_at_10": []}
    child = runs.record_child(parent, "ease 1", {"models.ease.l2": 5.0}, curves, "complete")
    assert runs.record_child(parent, "ease 1", {"models.ease.l2": 5.0}, curves, "complete") == child
    failed = runs.record_child(parent, "ease 2", {"models.ease.l2": 6.0}, {}, "failed")
    (tmp_path / "tuned.yaml").write_text("models: {}")
    runs.end(parent, {"ease": "better"}, [tmp_path / "tuned.yaml"])

    client = registry.connection.client
    run = client.get_run(child)
    assert (run.info.status, run.data.tags["mlflow.parentRunId"]) == ("FINISHED", parent)
    assert run.data.params == {"models.ease.l2": "5.0"}
    assert [point.value for point in client.get_metric_history(child, "epoch/ndcg_at_10")] == [0.1, 0.3, 0.2]
    assert (client.get_run(failed).info.status, client.get_run(failed).data.tags["state"]) == ("FAILED", "failed")
    assert (client.get_run(parent).info.status, client.get_run(parent).data.tags["ease"]) == ("FINISHED", "better")
    assert [file.path for file in client.list_artifacts(parent)] == ["tuned.yaml"]


METRICS = {
    "evaluate/test/ease/ndcg_at_10": 0.25,
    "evaluate/test/ease/ndcg_at_20": 0.3,
    "evaluate/test/sequence/ndcg_at_10": 0.2,
    "ingest/events/valid": 30.0,
}


def test_the_record_has_parameters_data_and_tags(registry: Registry, register: Register) -> None:
    run_id = registry.version(register(metrics=METRICS)).run_id
    run = registry.connection.client.get_run(run_id)
    assert run.data.params["trainer.max_epochs"] == "10"
    assert run.data.tags["git_revision"] == "0" * 40
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"ndcg_at_10": 0.25, "events": 30.0}
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("carousel snapshot", "d.dir")
    assert json.loads(used.dataset.profile) == {"events": 30.0}
    assert [(tag.key, tag.value) for tag in used.tags] == [("mlflow.data.context", "training")]


def test_each_candidate_is_a_child_with_the_same_names_and_its_curves(registry: Registry, register: Register) -> None:
    run_id = registry.version(register(metrics=METRICS)).run_id
    children = {child.data.tags["candidate"]: child for child in registry.runs.children(run_id)}
    assert {name: child.data.tags["role"] for name, child in children.items()} == {
        "ease": "challenger",
        "sequence": "candidate",
    }
    assert children["ease"].data.metrics == {"ndcg_at_10": 0.25}
    assert children["ease"].data.params["l2"] == "200.0"
    assert {child.info.status for child in children.values()} == {"FINISHED"}
    sequence = children["sequence"]
    assert sequence.data.metrics == {"ndcg_at_10": 0.2, "train/loss": 1.25}  # the last step of the curve
    loss = registry.connection.client.get_metric_history(sequence.info.run_id, "train/loss")
    assert [(m.step, m.value) for m in loss] == [(0, 3.5), (1, 2.5), (2, 1.25)]
