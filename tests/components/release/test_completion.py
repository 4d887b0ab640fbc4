"""A completed model beside the judged one: what lets it ship, and what does not."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts import Catalogue, Completion, Interactions, Ranked, Users
from components.data.tables import read_info
from components.params import Params, SelectionParams, load
from components.recommenders.factory import create
from components.release.checks import make_check
from components.release.completion import completed_models, judge_completion
from tests.components.stages.support import selected, write_split
from tests.support import ROOT

World = tuple[Interactions, Catalogue, Users]


@pytest.fixture
def params() -> Params:
    return load(ROOT / "params.yaml", overrides=["recommend.exclude_seen=false", "models.ease.l2=5"])


@pytest.fixture
def split(tmp_path: Path, world: World) -> Path:
    write_split(tmp_path, world)
    return tmp_path / "data/split"


class Stub:
    """A model that gives these lists to each user."""

    name = "ease"

    def __init__(self, items: list[int], scores: list[float] | None = None) -> None:
        self.items, self.scores = items, scores or list(np.linspace(1, 0, len(items)))

    def recommend(self, users: Users, k: int, exclude_seen: bool) -> Ranked:
        rows = len(users)
        return Ranked(
            np.tile(np.array(self.items[:k], np.int32), (rows, 1)),
            np.tile(np.array(self.scores[:k], np.float32), (rows, 1)),
        )


def failed(found: Completion) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


def judge(split: Path, params: Params, judged: Any, completed: Any) -> Completion:
    return judge_completion(split, judged, completed, ["ease"], params)


FIRST = list(range(1, 21))


def test_equal_models_pass_every_check(split: Path, params: Params, world: World) -> None:
    model = create("ease", params).fit(*world)
    found = judge(split, params, model, model)
    assert (found.ships, failed(found)) == (True, [])


@pytest.mark.parametrize(
    ("completed", "check"),
    [
        (Stub(FIRST[10:] + FIRST[:10]), "agreement with the judged model"),
        (Stub(FIRST, [1e4 * (20 - n) for n in range(20)]), "score scale"),
        (Stub(FIRST, [float("nan")] * 20), "lists of the completed model"),
        (Stub([1, 1, *FIRST[2:]]), "lists of the completed model"),
    ],
)
def test_a_model_that_may_be_broken_does_not_ship(split: Path, params: Params, completed: Stub, check: str) -> None:
    found = judge(split, params, Stub(FIRST), completed)
    assert (found.ships, failed(found)) == (False, [check])


def test_a_product_that_fake_users_of_the_holdout_push_is_named(split: Path, params: Params, world: World) -> None:
    """Nine users of the test window take product 20 and nothing else; the judged model has not seen them."""
    table = pq.read_table(split / "test.parquet")
    fakes = table.slice(0, 9)
    for name, values in (("user_idx", range(41, 50)), ("item_idx", [20] * 9), ("event", [2] * 9)):
        at = fakes.column_names.index(name)
        fakes = fakes.set_column(at, name, pa.array(values, fakes.schema.field(at).type))
    pq.write_table(pa.concat_tables([table, fakes]), split / "test.parquet", write_page_checksum=True)
    info = read_info(split).model_copy(update={"n_users": 49})
    (split / "split.json").write_text(info.model_dump_json())
    assert failed(judge(split, params, Stub(FIRST), Stub([20, *FIRST[:19]]))) == ["exposure of a pushed product"]


def test_models_of_a_recipe_that_are_fitted_in_one_step_are_completed() -> None:
    def names(**changes: object) -> list[str]:
        return completed_models(SelectionParams.model_validate(selected(**changes)))

    row = {"sequence": 0.5, "als": 0.25, "popularity": 0.25}
    blend = {"parts": list(row), "weights": {"cold": row, "warm": row}, "cold_item_blend_weight": 0}
    assert names() == ["als"]
    assert names(recommender="sequence") == []
    assert names(recommender="hybrid", blend=blend) == ["popularity", "als"]


def test_the_sentence_says_what_was_judged_and_what_ships() -> None:
    whole = Completion(
        judged_until="2026-02-22T00:00:00+00:00", learned_until="2026-03-01T00:00:00+00:00", models=["als"],
        checks=[make_check("coverage", 0.5, 0.1, "enough")],
    )  # fmt: skip
    assert whole.describe() == (
        "judged: what was learned before 2026-02-22T00:00; then als learned the holdout too, up to 2026-03-01T00:00, "
        "and this ships"
    )
    refused = whole.model_copy(update={"checks": [make_check("coverage", 0.05, 0.1, "too little")]})
    assert refused.describe() == (
        "what was judged ships, without the events since 2026-02-22T00:00: coverage: too little"
    )
    assert (whole.shipped_until[:10], refused.shipped_until[:10]) == ("2026-03-01", "2026-02-22")
