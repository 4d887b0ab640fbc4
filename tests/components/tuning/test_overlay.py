"""tuned.yaml: a normal overlay with the origin of its values."""

from datetime import UTC, datetime
from pathlib import Path

from components.params import load
from components.tuning import overlay

ROOT = Path(__file__).parents[3]
MARCH, MAY = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)


def test_the_overlay_replaces_values_of_the_parameters(tmp_path: Path) -> None:
    file = overlay.write(tmp_path, MARCH, {"models.ease.l2": 7.5, "models.als.factors": 16}, {"ease": "run a"})
    params = load(ROOT / "params.yaml", [file], ["models.als.factors=8"])
    assert (params.models.ease.l2, params.models.als.factors) == (7.5, 8)


def test_a_later_search_keeps_the_values_of_other_models(tmp_path: Path) -> None:
    overlay.write(tmp_path, MARCH, {"models.ease.l2": 1.0, "models.als.factors": 16}, {"ease": "run a", "als": "run a"})
    file = overlay.write(tmp_path, MAY, {"models.ease.l2": 2.0, "trainer.learning_rate": 0.1}, {"ease": "run b"})
    params = load(ROOT / "params.yaml", [file])
    assert (params.models.ease.l2, params.models.als.factors, params.trainer.learning_rate) == (2.0, 16, 0.1)
    assert overlay.origin(file.read_text()) == ["als: run a", "ease: run b"]


def test_an_overlay_is_not_found_before_its_as_of(tmp_path: Path) -> None:
    assert overlay.find(tmp_path, MAY) is None
    file = overlay.write(tmp_path, MARCH, {"models.ease.l2": 1.0}, {"ease": "run a"})
    assert overlay.find(tmp_path, MAY) == overlay.find(tmp_path, MARCH) == file
    assert overlay.find(tmp_path, datetime(2026, 2, 28, tzinfo=UTC)) is None


def test_a_file_of_two_searches_is_not_found_before_the_later_as_of(tmp_path: Path) -> None:
    overlay.write(tmp_path, MAY, {"models.ease.l2": 1.0}, {"ease": "run a"})
    overlay.write(tmp_path, MARCH, {"models.als.factors": 16}, {"als": "run b"})
    assert overlay.find(tmp_path, MARCH) is None
    assert overlay.find(tmp_path, MAY) is not None


def test_the_overlay_is_removed(tmp_path: Path) -> None:
    overlay.write(tmp_path, MARCH, {"models.ease.l2": 1.0}, {"ease": "run a"})
    assert overlay.remove(tmp_path)
    assert overlay.find(tmp_path, MAY) is None
    assert not overlay.remove(tmp_path)
