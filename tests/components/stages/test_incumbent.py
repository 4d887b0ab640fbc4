"""Stage `incumbent`: the champion's recipe on this run's training window, and what is left out where there is none."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.numpy import load_file

from components.contracts import Catalogue, ChampionRef, Interactions, Users
from components.data.tables import read_catalogue, read_interactions, read_users
from components.errors import ContractError
from components.language.encoder import Encoder
from components.origin import read_split_origin, stamp
from components.params import BlendParams, Params, SelectionParams, load
from components.recommenders.factory import create, load_model
from components.recommenders.sequence.recommender import SequenceRecommender
from components.release.bundle import BundleInfo, BundleSources, EncoderInfo, build_bundle
from components.release.recipe import Recipe
from components.stages import fit, incumbent
from components.stages.incumbent_ref import IncumbentRef, read_incumbent_ref
from components.times import to_micros
from components.unfinished import Unfinished, mark_unfinished, read_unfinished
from tests.components.language.tiny import tiny_bert
from tests.components.stages.support import digest, write_split
from tests.support import ROOT

World = tuple[Interactions, Catalogue, Users]
UNTIL = datetime(2026, 2, 1, tzinfo=UTC)
SMALL = ["language.max_tokens=16", "models.als.factors=4", "models.sequence.dim=16", "trainer.max_epochs=3"]


def shop(*lines: str) -> Params:
    return load(ROOT / "params.yaml", overrides=[*SMALL, *lines])


@pytest.fixture
def checkout(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a checkout where `encode` and `fit` have run and nothing serves."""
    write_split(tmp_path, world)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAROUSEL_HOME", str(tmp_path / "home"))
    write_params(tmp_path, shop())
    language = tiny_bert(tmp_path / "language")
    (tmp_path / "features/encoder.json").write_text(json.dumps({"digest": language_digest(language)}))
    (tmp_path / "champion").mkdir()
    (tmp_path / "champion/champion.json").write_text("null\n")
    write_epochs(tmp_path, 1)
    fit.main()
    return tmp_path


def write_epochs(root: Path, best: int) -> None:
    (root / "reports/finetune").mkdir(parents=True, exist_ok=True)
    (root / "reports/finetune/metrics.json").write_text(json.dumps({"epochs/best": best, "epochs": 3}))


def write_params(root: Path, params: Params) -> None:
    (root / "run").mkdir(exist_ok=True)
    (root / "run/params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))


def language_digest(folder: Path) -> str:
    return Encoder.load(folder, shop().language).digest


def selection(root: Path, **changes: Any) -> SelectionParams:
    values = {
        "recommender": "ease",
        "best_simple": "popularity",
        "language": language_digest(root / "language"),
        "sequence_epochs": None,
        "ranker_epochs": None,
        "blend": None,
        "selected_until": UNTIL,
    }
    return SelectionParams.model_validate(values | changes)


def set_champion(root: Path, recipe: Recipe | None, language: Path | None = None) -> ChampionRef:
    """Put a bundle with this recipe into champion/; its own model is EASE, as `fit` has fitted it."""
    pq.write_table(pa.table({"price": [1.0]}), root / "reference.parquet", write_page_checksum=True)
    encoder = EncoderInfo(model="minilm", digest=language_digest(root / "language"), dim=8, max_tokens=16)
    info = BundleInfo(
        model="ease", as_of="2026-02-15T00:00:00+00:00", train_end=1, validation_end=2, n_items=20, max_history=50,
        exclude_seen=True, weights={"purchase": 1.0}, simulated=True, encoder=encoder,
    )  # fmt: skip
    sources = BundleSources(
        model=root / "models/simple/ease", fallback=root / "models/simple/popularity", split=root / "data/split",
        features=root / "features", drift_reference=root / "reference.parquet", encoder=language,
    )  # fmt: skip
    bundle = build_bundle(root / "champion/bundle", sources, info, recipe)
    ref = ChampionRef(version=3, digest=bundle, model="ease")
    (root / "champion/champion.json").write_text(ref.model_dump_json())
    return ref


def fitted(root: Path, name: str, params: Params, features: str = "features") -> dict[str, bytes]:
    """Return the files of a model that is fitted on the training window with these parameters."""
    split, out = root / "data/split", root / "expected" / name
    shutil.rmtree(out, ignore_errors=True)
    model = create(name, params)
    model.fit(read_interactions(split), read_catalogue(split, root / features), read_users(split, "validation"))
    model.save(out)
    stamp(out, read_split_origin(split, root / features))
    return digest(out)


def result(root: Path) -> dict[str, bytes]:
    """Return the files of the incumbent without its record."""
    return {name: content for name, content in digest(root / "models/incumbent").items() if name != "incumbent.json"}


def test_the_recipe_is_fitted_with_its_own_parameters(checkout: Path) -> None:
    ref = set_champion(checkout, Recipe.of(shop("models.ease.l2=5"), selection(checkout), "c"), checkout / "language")
    incumbent.main()
    assert result(checkout) == fitted(checkout, "ease", shop("models.ease.l2=5"))
    assert result(checkout) != digest(checkout / "models/simple/ease")
    found = read_incumbent_ref(checkout / "models/incumbent", ref)
    assert found == IncumbentRef(bundle=ref.digest, selected_until=to_micros(UNTIL))
    assert json.loads((checkout / "reports/incumbent/metrics.json").read_text()) == {"fitted": 1.0}
    before = result(checkout)
    incumbent.main()
    assert result(checkout) == before


def test_a_model_that_this_run_has_fitted_alike_is_copied(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe.of(shop("models.als.factors=8", "gate.min_users=7"), selection(checkout), "older code")
    set_champion(checkout, recipe, checkout / "language")
    monkeypatch.setattr(incumbent, "fit_part", None)
    incumbent.main()
    assert result(checkout) == digest(checkout / "models/simple/ease")


@pytest.mark.parametrize(
    "line", ["models.ease.l2=5", "models.popularity.half_life_days=3", "seed=1", "ann.min_items=9"]
)
def test_a_model_with_another_parameter_is_not(checkout: Path, line: str) -> None:
    assert incumbent.is_fitted(checkout, "ease", shop(), shop())
    assert not incumbent.is_fitted(checkout, "ease", shop(line), shop())


def test_products_are_encoded_by_the_language_model_of_the_recipe(checkout: Path) -> None:
    other = tiny_bert(checkout / "other", layers=2)
    recipe = Recipe.of(shop(), selection(checkout, recommender="content", language=language_digest(other)), "c")
    set_champion(checkout, recipe, other)
    incumbent.main()
    texts = read_catalogue(checkout / "data/split").text
    expected = Encoder.load(other, shop().language).encode(texts).astype(np.float16)
    vectors = load_file(checkout / "run/incumbent/features/items.safetensors")["embedding"]
    np.testing.assert_allclose(vectors, expected, atol=2e-3)
    assert result(checkout) == fitted(checkout, "content", shop(), "run/incumbent/features")
    assert result(checkout) != digest(checkout / "models/simple/content")


def test_the_weights_of_a_hybrid_are_those_of_the_recipe(checkout: Path) -> None:
    weights = {"cold": {"ease": 0.25, "content": 0.75}, "warm": {"ease": 0.875, "content": 0.125}}
    blend = BlendParams(parts=["ease", "content"], weights=weights, cold_item_blend_weight=0.5)
    recipe = Recipe.of(shop(), selection(checkout, recommender="hybrid", blend=blend), "c")
    set_champion(checkout, recipe, checkout / "language")
    incumbent.main()
    model = load_model(checkout / "models/incumbent")
    assert list(model.parts) == ["ease", "content"]
    np.testing.assert_array_equal(model.weights, np.float32([[0.25, 0.75], [0.875, 0.125]]))  # type: ignore[attr-defined]
    assert model.smoother.blend_weight == 0.5  # type: ignore[attr-defined]
    assert digest(checkout / "models/incumbent/parts/ease") == digest(checkout / "models/simple/ease")


def test_the_sequence_model_is_trained_for_as_many_epochs(checkout: Path) -> None:
    chosen = selection(checkout, recommender="sequence", sequence_epochs=2)
    set_champion(checkout, Recipe.of(shop(), chosen, "c"), checkout / "language")
    incumbent.main()
    split = checkout / "data/split"
    model = SequenceRecommender.from_params(shop())
    model.epochs = 2
    model.fit(read_interactions(split), read_catalogue(split, checkout / "features"), read_users(split, "validation"))
    model.save(checkout / "expected")
    stamp(checkout / "expected", read_split_origin(split, checkout / "features"))
    assert result(checkout) == digest(checkout / "expected")
    assert not (checkout / "run/incumbent/sequence").exists()


def test_a_sequence_model_with_other_epochs_is_not_copied(checkout: Path) -> None:
    write_epochs(checkout, 2)
    (checkout / "models/sequence").mkdir()
    chosen = selection(checkout, recommender="sequence", sequence_epochs=2)
    own = Recipe.of(shop(), chosen, "c").apply(shop(), UNTIL)
    assert incumbent.is_fitted(checkout, "sequence", own, shop())
    assert not incumbent.is_fitted(checkout, "sequence", own, shop("trainer.learning_rate=0.01"))
    other = own.model_copy(update={"selection": chosen.model_copy(update={"sequence_epochs": 3})})
    assert not incumbent.is_fitted(checkout, "sequence", other, shop())
    mark = Unfinished(model="the sequence model", limit="trainer.max_minutes", minutes=9, step=8, steps=20)
    mark_unfinished(checkout / "models/sequence", mark)
    assert not incumbent.is_fitted(checkout, "sequence", own, shop())


def test_a_training_that_a_limit_in_minutes_stopped_is_marked_and_goes_on(checkout: Path) -> None:
    write_params(checkout, shop("trainer.max_minutes=0.0001", "trainer.batch_size=8"))
    chosen = selection(checkout, recommender="sequence", sequence_epochs=2)
    recipe = Recipe.of(shop("trainer.max_minutes=0.0001", "trainer.batch_size=8"), chosen, "c")
    set_champion(checkout, recipe, checkout / "language")
    incumbent.main()
    (mark,) = read_unfinished([checkout / "models/incumbent"])
    assert mark.limit == "trainer.max_minutes"
    assert (checkout / "run/incumbent/sequence/state.json").exists()


def test_where_there_is_no_recipe_to_fit_a_note_says_why(checkout: Path) -> None:
    def note() -> str:
        incumbent.main()
        assert list(result(checkout)) == ["note.txt"]
        assert json.loads((checkout / "reports/incumbent/metrics.json").read_text()) == {"fitted": 0.0}
        return (checkout / "models/incumbent/note.txt").read_text()

    assert "nothing serves" in note()
    ref = set_champion(checkout, None)
    assert "made before version 0.4" in note()
    assert read_incumbent_ref(checkout / "models/incumbent", ref) is None
    shutil.rmtree(checkout / "champion/bundle")
    set_champion(
        checkout, Recipe.of(shop(), selection(checkout), "c")
    )  # language.model is another, and none is shipped
    assert "the champion's recipe encodes with language model" in note()
    shutil.rmtree(checkout / "champion/bundle")
    set_champion(checkout, Recipe.of(shop(), selection(checkout, recommender="gone"), "c"))
    assert "does not accept the champion's recipe" in note()
    write_params(checkout, shop().model_copy(update={"selection": selection(checkout)}))
    assert "compares it with the bundle that serves" in note()


def test_a_record_of_another_champion_is_refused(checkout: Path) -> None:
    set_champion(checkout, Recipe.of(shop(), selection(checkout), "c"), checkout / "language")
    incumbent.main()
    with pytest.raises(ContractError, match="run the stage `incumbent` again"):
        read_incumbent_ref(checkout / "models/incumbent", ChampionRef(version=4, digest="f" * 64, model="ease"))
