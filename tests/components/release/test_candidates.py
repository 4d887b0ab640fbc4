"""Which numbers a version's run and its candidates show in MLflow."""

from components.release.candidates import headline, split_candidates

METRICS = {
    "evaluate/test/ease/ndcg_at_10": 0.3,
    "evaluate/test/ease/ndcg_at_5": 0.2,
    "evaluate/test/ease/coverage_at_10": 0.9,
    "evaluate/test/champion/ndcg_at_10": 0.25,
    "evaluate/test/sequence/ndcg_at_10": 0.1,
    "evaluate/test/popularity/ndcg_at_10": 0.05,
    "evaluate/validation/ease/ndcg_at_10": 0.35,
    "evaluate/gain/champion": 0.05,
    "evaluate/gain_low/champion": 0.01,
    "evaluate/gain/popularity": 0.25,
    "fit/fit/ease/seconds": 2.0,
    "drift/drifted_share": 0.1,
    "ingest/events/valid": 100.0,
    "rank/click/auc": 0.8,
    "rank/click/accuracy": 0.9,
}
PARAMS = {
    "models.ease.l2": "200.0",
    "models.als.factors": "8",
    "trainer.max_epochs": "10",
    "evaluation.candidates": '["ease", "sequence"]',
}
CURVES = {"finetune": {"train/loss": [3.0, 2.0]}, "rank": {"train/loss": [0.5]}, "other": {"train/loss": [9.0]}}


def test_the_versions_own_run_has_the_headline() -> None:
    assert headline(METRICS, "ease", "ndcg_at_10") == {
        "ndcg_at_10": 0.3,
        "coverage_at_10": 0.9,
        "validation_ndcg_at_10": 0.35,
        "fit_seconds": 2.0,
        "gain": 0.05,
        "gain_low": 0.01,
        "drifted_share": 0.1,
        "events": 100.0,
    }


def test_each_model_is_a_candidate_with_the_same_names() -> None:
    found = split_candidates(METRICS, PARAMS, CURVES, "ease", "ndcg_at_10")
    assert [(one.name, one.role) for one in found] == [
        ("ease", "challenger"), ("champion", "champion"), ("popularity", "baseline"), ("sequence", "candidate"),
        ("ranker", "component"),
    ]  # fmt: skip
    by_name = {one.name: one for one in found}
    assert by_name["champion"].metrics == {"ndcg_at_10": 0.25, "challenger_gain": 0.05}
    assert by_name["popularity"].metrics == {"ndcg_at_10": 0.05, "challenger_gain": 0.25}
    assert by_name["ease"].params == {"l2": "200.0"}
    assert by_name["sequence"].params == {"trainer.max_epochs": "10"}
    assert by_name["sequence"].curves == {"train/loss": [3.0, 2.0]}
    assert (by_name["ranker"].metrics, by_name["ranker"].curves) == ({"click_auc": 0.8}, {"train/loss": [0.5]})


def test_the_list_length_is_that_of_the_deciding_metric() -> None:
    assert split_candidates(METRICS, {}, {}, "ease", "ndcg_at_5")[0].metrics == {"ndcg_at_5": 0.2, "fit_seconds": 2.0}
