"""A run is found by its tags: begun once, with its children below it."""

from pathlib import Path

from components.release.registry import Registry


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
