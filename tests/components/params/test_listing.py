"""Comments of a YAML file by parameter, and where each value comes from."""

from pathlib import Path

from components.params.listing import DEFAULT, list_parameters, read_comments


def test_comments_belong_to_the_key_of_their_line() -> None:
    text = """
# heading
seed: 42                 # seed # of all
data:
  # not a value: no key
  as_of: "2026 # 1"
  sources:               # table -> sources
    events: [{path: a}]  # required
models:                  # section
  als:
    factors: 64          # dimensions
"""
    assert read_comments(text) == {
        "seed": "seed # of all",
        "data.sources": "table -> sources",
        "data.sources.events": "required",
        "models": "section",
        "models.als.factors": "dimensions",
    }


def test_the_origin_of_a_value_is_the_last_layer_that_sets_it(file: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("gate: {min_users: 7, min_gain: 0.1}\n")
    second.write_text("gate: {min_gain: 0.2}\nflows: {retries: 3}\n")
    found = {p.name: p for p in list_parameters(file, [first, second], ["seed=1"])}
    origins = {
        "gate.min_users": str(first),
        "gate.min_gain": str(second),
        "flows.retries": str(second),
        "gate.mode": file.name,
        "gate.resamples": DEFAULT,
        "seed": "--set",
    }
    assert {name: found[name].origin for name in origins} == origins
    assert (found["gate.min_gain"].value, found["seed"].value) == (0.2, 1)
    assert found["data.sources"].value["products"] == [
        {"path": "data/raw/products.jsonl.gz", "columns": {}, "optional": []}
    ]
    assert [p.name for p in found.values() if not p.description] == []
