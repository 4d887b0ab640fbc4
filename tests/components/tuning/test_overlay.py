"""tuned.yaml: a normal overlay that says where it comes from."""

from datetime import UTC, datetime
from pathlib import Path

from components.params import load
from components.tuning import overlay

ROOT = Path(__file__).parents[3]
MARCH, MAY = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)


def test_it_lies_over_the_parameters(tmp_path: Path) -> None:
    file = overlay.write(tmp_path, MARCH, {"models.ease.l2": 7.5, "models.als.factors": 16}, {"ease": "run a"})
    params = load(ROOT / "params.yaml", [file], ["models.als.factors=8"])
    assert (params.models.ease.l2, params.models.als.factors) == (7.5, 8)


def test_a_later_search_keeps_what_it_did_not_find_anew(tmp_path: Path) -> None:
    overlay.write(tmp_path, MARCH, {"models.ease.l2": 1.0, "models.als.factors": 16}, {"ease": "run a", "als": "run a"})
    file = overlay.write(tmp_path, MAY, {"models.ease.l2": 2.0, "trainer.learning_rate": 0.1}, {"ease": "run b"})
    params = load(ROOT / "params.yaml", [file])
    assert (params.models.ease.l2, params.models.als.factors, params.trainer.learning_rate) == (2.0, 16, 0.1)
    assert overlay.origin(file.read_text()) == ["als: run a", "ease: run b"]


def test_what_was_found_later_is_unknown_before(tmp_path: Path) -> None:
    assert overlay.find(tmp_path, MAY) is None
    file = overlay.write(tmp_path, MARCH, {"models.ease.l2": 1.0}, {"ease": "run a"})
    assert overlay.find(tmp_path, MAY) == overlay.find(tmp_path, MARCH) == file
    assert overlay.find(tmp_path, datetime(2026, 2, 28, tzinfo=UTC)) is None


def test_two_searches_in_one_file_are_known_from_the_later_one_on(tmp_path: Path) -> None:
    overlay.write(tmp_path, MAY, {"models.ease.l2": 1.0}, {"ease": "run a"})
    overlay.write(tmp_path, MARCH, {"models.als.factors": 16}, {"als": "run b"})
    assert overlay.find(tmp_path, MARCH) is None
    assert overlay.find(tmp_path, MAY) is not None


def test_removing_it(tmp_path: Path) -> None:
    overlay.write(tmp_path, MARCH, {"models.ease.l2": 1.0}, {"ease": "run a"})
    assert overlay.remove(tmp_path)
    assert overlay.find(tmp_path, MAY) is None
    assert not overlay.remove(tmp_path)
