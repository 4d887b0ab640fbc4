"""Tables, JSON and picture of a learning curve."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

from components.contracts import Interval
from components.tuning.curve import Point
from components.tuning.report import best_trials_table, write_curve
from components.tuning.winner import BestTrial

POINTS = [
    Point(model=model, share=share, n_users=int(100 * share), n_events=int(900 * share), value=value, low=0, high=0.1)
    for model, ends in {"ease": (0.01, 0.05), "content": (0.03, 0.03)}.items()
    for share, value in zip((0.01, 1.0), ends, strict=True)
]


def test_a_curve_as_table_json_and_picture(tmp_path: Path) -> None:
    write_curve(tmp_path, POINTS, "ndcg_at_10", simulated=True)
    content = json.loads((tmp_path / "curve.json").read_bytes())
    assert (content["primary"], content["window"], content["simulated"]) == ("ndcg_at_10", "validation", True)
    assert [Point.model_validate(row) for row in content["points"]] == POINTS
    text = (tmp_path / "curve.md").read_text()
    assert "simulated shop" in text
    assert "| ease | 1 % | 1 | 9 | 0.0100 | 0.0000 to 0.1000 |" in text
    assert ET.parse(tmp_path / "curve.svg").getroot().get("role") == "img"
    before = (tmp_path / "curve.svg").read_bytes()
    write_curve(tmp_path, POINTS, "ndcg_at_10", simulated=True)
    assert (tmp_path / "curve.svg").read_bytes() == before


def test_one_row_per_model() -> None:
    gain = Interval(gain=0.01, low=0.004, high=0.02, n_users=9)
    row = BestTrial(
        model="ease", n_trials=3, n_pruned=1, n_failed=0, present=0.1, best=0.11, number=2,
        before={"models.ease.l2": 5.0}, values={"models.ease.l2": 7.0}, gain=gain, wins=True,
    )  # fmt: skip
    assert best_trials_table([row]) == [
        {
            "model": "ease",
            "now": "0.1000",
            "best": "0.1100",
            "gain": "+0.0040 to +0.0200",
            "better": "yes",
            "trials": "3 (1 pruned, 0 failed)",
            "changes": "models.ease.l2 5 -> 7",
        }
    ]
