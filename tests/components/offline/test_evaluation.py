"""Metrics on a data frame are those of the evaluator for the same users."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.errors import ContractError
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank
from components.offline.evaluation import evaluate_frame
from components.offline.model import OfflineModel
from tests.support import checkerboard

START = datetime(2026, 3, 1, tzinfo=UTC)


def frame_of_checkerboard() -> pd.DataFrame:
    """Return the events of the checkerboard's users: the past before START, the targets after it, newest rows first."""
    _, catalogue, users = checkerboard()
    rows: list[dict[str, Any]] = []
    for user in range(1, len(users)):
        for part, start in ((users.history, START - timedelta(days=1)), (users.ground_truth, START)):
            rows += [
                {"user_id": f"u{user}", "item_id": catalogue.item_id[item], "timestamp": start + n * timedelta(hours=1)}
                for n, item in enumerate(part.row(user).tolist())
            ]
    return pd.DataFrame(rows[::-1]).assign(event="purchase")


def test_metrics_are_those_of_the_evaluator(model: OfflineModel) -> None:
    found = evaluate_frame(model.bundle, model.params, frame_of_checkerboard(), START)
    _, _, users = checkerboard()
    users = users.take(np.arange(1, len(users))).without_seen()
    ks = model.params.evaluation.ks
    lists = rank(model.bundle.model, users, max(ks), True, model.bundle.info.n_items, 64)
    expected = {name: float(value.mean()) for name, value in per_user(lists, users.ground_truth, ks).items()}
    assert found.loc["ease"].drop("n_users").to_dict() == pytest.approx(expected)
    assert found["n_users"].tolist() == [len(users)] * len(found)
    assert found.loc["ease", "ndcg_at_10"] > found.loc["popularity", "ndcg_at_10"]


def test_an_unknown_product_counts_as_missed(model: OfflineModel) -> None:
    frame = frame_of_checkerboard()
    after = frame["timestamp"] >= START
    frame.loc[after, "item_id"] = "new-" + frame.loc[after, "item_id"]
    found = evaluate_frame(model.bundle, model.params, frame, START)
    assert found.loc["ease", "ndcg_at_10"] == 0


def test_the_window_ends_before_its_end_and_kinds_without_weight_do_not_count(model: OfflineModel) -> None:
    frame = frame_of_checkerboard().drop(columns="event")  # all are the strongest kind
    one_hour = evaluate_frame(model.bundle, model.params, frame, START, START + timedelta(hours=1))
    assert one_hour["n_users"].iloc[0] == 40
    with pytest.raises(ContractError, match="no user has a purchase or cart"):
        evaluate_frame(model.bundle, model.params, frame.assign(event="click"), START)
    with pytest.raises(ContractError, match="choose an earlier start"):
        evaluate_frame(model.bundle, model.params, frame, START + timedelta(days=9))


def test_wrong_frames_are_errors(model: OfflineModel) -> None:
    frame = frame_of_checkerboard()
    with pytest.raises(ContractError, match="missing timestamp"):
        evaluate_frame(model.bundle, model.params, frame.drop(columns="timestamp"), START)
    with pytest.raises(ContractError, match="unknown kinds \\['buy'\\]"):
        evaluate_frame(model.bundle, model.params, frame.assign(event="buy"), START)
    with pytest.raises(ContractError, match="expected times"):
        evaluate_frame(model.bundle, model.params, frame.assign(timestamp="soon"), START)
    with pytest.raises(ContractError, match="1 rows have no time"):
        evaluate_frame(model.bundle, model.params, frame.assign(timestamp=[pd.NaT, *frame["timestamp"][1:]]), START)
