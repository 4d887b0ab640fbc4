"""From the blend to the verdict by lists that are made anew before each event: gate.primary next_event."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from components.contracts import Catalogue, ChampionRef, Evaluation, Interactions, Users
from components.data.tables import read_users
from components.evaluation.out_of_fold import read_out_of_fold
from components.evaluation.protocol import next_event_users, window_users
from components.evaluation.results import read_values
from components.params import Params, load
from components.release import gate
from components.release.contest import Contenders, Measurements
from components.stages import blend, evaluate, fit
from tests.components.release.gate_cases import GOOD_DATA, GOOD_DRIFT
from tests.components.stages.support import write_split
from tests.support import ROOT

World = tuple[Interactions, Catalogue, Users]
SETS = [
    "gate.primary=next_event", "gate.min_users=10", "gate.resamples=200", "evaluation.candidates=[hybrid]",
    "models.hybrid.parts=[popularity,ease,content]", "evaluation.baselines=[popularity]",
    "evaluation.min_slice_users=5",
]  # fmt: skip


@pytest.fixture
def params(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Enter a workspace whose users take two items one after the other in each window, four in all."""
    write_split(tmp_path, world)
    for window, shifts in (("validation", (0, 2)), ("test", (4, 6))):
        path = tmp_path / f"data/split/{window}.parquet"
        table = pq.read_table(path)
        columns = {name: np.repeat(table[name].to_numpy(), 2) for name in table.column_names}
        shift = np.tile(np.array(shifts, np.int32), len(table))
        columns["item_idx"] = ((columns["item_idx"] + shift - 1) % len(world[1]) + 1).astype(np.int32)
        columns["timestamp"] = columns["timestamp"] + shift
        pq.write_table(pa.table(columns), path, write_page_checksum=True)
    loaded = load(ROOT / "params.yaml", overrides=SETS)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/params.yaml").write_text(yaml.safe_dump(loaded.model_dump(mode="json")))
    (tmp_path / "champion").mkdir()
    (tmp_path / "champion/champion.json").write_text("null\n")
    monkeypatch.chdir(tmp_path)
    return loaded


def test_blend_choice_and_verdict_are_by_lists_before_each_event(params: Params) -> None:
    for stage in (fit, blend, evaluate):
        stage.main()
    split, reports = Path("data/split"), Path("reports")
    rows = next_event_users(split, "validation", window_users(split, "validation", True), True, 2000)
    assert len(rows) > 1.5 * len(read_users(split, "validation"))
    found = read_out_of_fold(reports / "blend", len(rows), 20)
    assert found.user_row.tolist() == list(range(len(rows)))
    evaluation = Evaluation.model_validate_json((reports / "evaluate/evaluation.json").read_bytes())
    assert (evaluation.question, evaluation.challenger) == ("next_event", "hybrid")
    values = read_values(reports / "evaluate/per_user.parquet", "ndcg_at_10", "next_event")
    assert evaluation.test["hybrid"]["ndcg_at_10"] == values["hybrid"].mean(dtype=np.float64)
    measured = Measurements(evaluation, "e" * 64, reports / "evaluate/per_user.parquet", GOOD_DRIFT, 5.0, [GOOD_DATA])
    challenger = ChampionRef(version=1, digest="d" * 64, model="hybrid")
    at = datetime(2026, 3, 1, tzinfo=UTC)
    decision = gate.decide(measured, Contenders(challenger, None), params, bootstrap=True, decided_at=at)
    assert decision.question == "next_event"
    (users,) = (check for check in decision.checks if check.name == "users")
    assert users.why.startswith(f"{len(values['hybrid'])} test users of slice next_event")
    assert decision.gain is not None
    assert decision.gain.gain == pytest.approx(float((values["hybrid"] - values["popularity"]).mean()), abs=1e-6)
