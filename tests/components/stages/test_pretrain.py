"""Stage `pretrain` on a tiny shop and model: its choice, its use by `encode`, and determinism."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components import params
from components.language.choice import ModelChoice, chosen_model
from components.language.encoder import Encoder
from components.stages import encode, ingest, pretrain, resolve, split
from tests.components.language.tiny import tiny_bert
from tests.components.stages.support import enter_checkout, select

ROOT = Path(__file__).parents[3]
TINY = """\
shop.n_users=60
shop.n_items=80
language.max_tokens=16
language.threads=1
language.model=tiny
language.compress.variants=[]
language.pretrain.method=full
language.pretrain.max_steps=30
language.pretrain.learning_rate=0.003
language.pretrain.texts_per_step=8
language.pretrain.pairs_per_step=16
language.pretrain.min_token_count=1"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout in which the stages before `pretrain` have run; copied by the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = enter_checkout(tmp_path_factory.mktemp("made"), TINY, patch)
        tiny_bert(Path("tiny"))
        for stage in (resolve, ingest, split):
            stage.main()
    return folder


@pytest.fixture
def checkout(made: Path, enter: Callable[[str], Path]) -> Path:
    """Enter a copy."""
    return Path(shutil.copytree(made, enter(TINY), dirs_exist_ok=True))


def digests(*folders: str) -> dict[str, str]:
    files = [p for f in folders for p in sorted(Path(f).rglob("*")) if p.is_file()]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_encode_uses_the_model_that_retrieves_better(checkout: Path) -> None:
    pretrain.main()
    encode.main()
    choice = ModelChoice.model_validate_json(Path("models/language/language.json").read_bytes())
    metrics = json.loads(Path("reports/pretrain/metrics.json").read_text())
    before, after = (metrics[f"retrieval/ndcg_at_10/{side}"] for side in ("before", "after"))
    assert choice.accepted == (after > before) == bool(metrics["accepted"])
    assert f"{after:.4f}" in choice.reason
    assert metrics["unknown/zh/before"] > 0.5
    assert metrics["unknown/zh/after"] < 0.01  # a word that only held-out texts have is not added
    assert metrics["perplexity/after"] < metrics["perplexity/before"]
    language = params.load(Path("run/params.yaml")).language
    chosen = Encoder.load(chosen_model(Path("models/language"), "tiny"), language)
    assert json.loads(Path("features/encoder.json").read_text())["digest"] == chosen.digest
    assert Path("models/language/model.safetensors").exists() == choice.accepted
    assert Path("reports/pretrain/plots/metrics/train/pairs.tsv").read_text().count("\n") == 31
    assert not Path("run/pretrain").exists()
    outs = digests("models/language", "reports/pretrain")
    pretrain.main()
    assert digests("models/language", "reports/pretrain") == outs


def test_encoders_are_compared_on_the_newest_events_of_a_bounded_number_of_users(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = params.load(Path("run/params.yaml"))
    whole = pretrain.RetrievalBenchmark.read(checkout, loaded)
    assert whole.users.history.lengths.max() == pretrain.N_EVENTS  # some users have more
    monkeypatch.setattr(pretrain, "N_USERS", 2)
    monkeypatch.setattr(pretrain, "N_EVENTS", 2)
    small = pretrain.RetrievalBenchmark.read(checkout, loaded)
    assert len(small.users) == 2 < len(whole.users)
    assert small.users.history.lengths.max() == 2
    row = whole.users.user_idx.tolist().index(small.users.user_idx[0])
    assert small.users.history.row(0).tolist() == whole.users.history.row(row)[-2:].tolist()
    encoded = set(small.users.history.item_idx) | set(small.users.ground_truth.item_idx)
    assert set(np.flatnonzero(small.relevant)) == encoded


def test_method_none_keeps_the_original(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAROUSEL_OVERRIDES", f"{TINY}\nlanguage.pretrain.method=none")
    resolve.main()
    pretrain.main()
    assert [p.name for p in Path("models/language").iterdir()] == ["language.json"]
    assert json.loads(Path("reports/pretrain/metrics.json").read_text()) == {"accepted": 0.0}
    assert chosen_model(Path("models/language"), "tiny") == Path("tiny")


def encoder_of(folder: Path) -> Encoder:
    return Encoder.load(folder, params.load(Path("run/params.yaml")).language)


def test_with_a_recipe_its_adapted_model_is_taken(checkout: Path) -> None:
    """It lies in run/recipe/language; nothing is trained or compared, also where variants are set."""
    tiny_bert(pretrain.RECIPE, layers=2)
    digest = encoder_of(pretrain.RECIPE).digest
    assert digest != encoder_of(Path("tiny")).digest
    select(language=digest)
    resolved = Path("run/params.yaml")
    resolved.write_text(resolved.read_text().replace("variants: []", "variants: [static]"))
    pretrain.main()
    assert encoder_of(chosen_model(Path("models/language"), "tiny")).digest == digest
    assert digests("models/language").keys() - {"models/language/language.json"} == {
        f"models/language/{path.name}" for path in pretrain.RECIPE.iterdir()
    }
    assert digests("reports/pretrain").keys() == {"reports/pretrain/metrics.json"}
    assert json.loads(Path("reports/pretrain/metrics.json").read_text()) == {"accepted": 1.0}
    encode.main()
    assert json.loads(Path("features/encoder.json").read_text())["digest"] == digest


def test_with_a_recipe_of_the_original_model_the_original_is_used(checkout: Path) -> None:
    select(language=encoder_of(Path("tiny")).digest)
    pretrain.main()
    assert list(digests("models/language")) == ["models/language/language.json"]
    assert chosen_model(Path("models/language"), "tiny") == Path("tiny")
    assert json.loads(Path("reports/pretrain/metrics.json").read_text()) == {"accepted": 0.0}


def test_a_recipe_whose_language_model_is_missing_is_refused(checkout: Path) -> None:
    select(language="ab" * 32)
    with pytest.raises(SystemExit, match=r"language model abababababab, but its bundle holds none"):
        pretrain.main()
    tiny_bert(pretrain.RECIPE, layers=2)
    found = encoder_of(pretrain.RECIPE).digest[:12]
    with pytest.raises(SystemExit, match=rf"its bundle holds {found}.* run `carousel retrain`"):
        pretrain.main()
    assert not (checkout / "models/language/language.json").exists()


@pytest.mark.parametrize(("after", "accepted"), [(0.2, True), (0.1, False), (0.05, False)])
def test_only_strictly_better_is_accepted(after: float, accepted: bool) -> None:
    choice = pretrain.choose_adapted("minilm", 0.1, after)
    assert choice.accepted is accepted
    assert f"{after:.4f}" in choice.reason


@pytest.mark.parametrize(("loss", "winner"), [(0.0, "full"), (0.02, "int8"), (0.1, "distilled_int8"), (0.2, "static")])
def test_the_fastest_encoder_within_the_allowed_loss_wins(loss: float, winner: str) -> None:
    means = {"full": 0.1, "distilled": 0.097, "int8": 0.099, "static": 0.081, "distilled_int8": 0.0901}
    name, reason = pretrain.choose_fastest({name: np.full(9, mean) for name, mean in means.items()}, loss)
    assert name == winner
    assert reason.startswith(f"encoder {winner}: the fastest")
    assert "static 0.0810" in reason


@pytest.mark.parametrize(("n_users", "winner"), [(25, "static"), (2_500, "full")])
def test_a_faster_encoder_wins_where_its_loss_is_within_one_standard_error(n_users: int, winner: str) -> None:
    """The loss is 10 %; its standard error is .02 with 25 users and .002 with 2,500."""
    noise = np.where(np.arange(n_users) % 2, 0.1, -0.1)
    ndcg = {"full": np.full(n_users, 0.1), "static": 0.09 + noise - noise.mean()}
    assert pretrain.choose_fastest(ndcg, 0.02)[0] == winner


def test_without_validation_users_the_full_encoder_is_kept() -> None:
    nothing = np.full(3, np.nan)
    assert pretrain.choose_fastest({"full": nothing, "static": nothing}, 0.02)[0] == "full"


@pytest.mark.parametrize("method", ["none", "full"])
def test_a_static_encoder_is_made_compared_and_used(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    overrides = (
        "\nlanguage.compress.variants=[static]\nlanguage.compress.max_ndcg_loss=1\nlanguage.pretrain.max_steps=2"
    )
    monkeypatch.setenv("CAROUSEL_OVERRIDES", f"{TINY}\nlanguage.pretrain.method={method}{overrides}")
    resolve.main()
    pretrain.main()
    metrics = json.loads(Path("reports/pretrain/metrics.json").read_text())
    assert metrics["accepted"] == 1
    assert ("retrieval/ndcg_at_10/after" in metrics) == (method == "full")
    assert {f"compress/{name}/ndcg_at_10" for name in ("full", "static")} <= set(metrics)
    assert {path.name for path in Path("models/language").iterdir()} == {
        "language.json", "config.json", "model.safetensors", "tokenizer.json"
    }  # fmt: skip
    encoder = encoder_of(chosen_model(Path("models/language"), "tiny"))
    assert encoder.static
    assert (
        "encoder static" in ModelChoice.model_validate_json(Path("models/language/language.json").read_bytes()).reason
    )
    outs = digests("models/language", "reports/pretrain")
    pretrain.main()
    assert digests("models/language", "reports/pretrain") == outs
    encode.main()
    assert json.loads(Path("features/encoder.json").read_text())["digest"] == encoder.digest
    shutil.copytree("models/language", pretrain.RECIPE, dirs_exist_ok=True)  # a refresh takes it from the bundle
    select(language=encoder.digest)
    pretrain.main()
    assert encoder_of(chosen_model(Path("models/language"), "tiny")).digest == encoder.digest


def test_smaller_encoders_are_compared_and_the_winner_encodes(enter: Callable[[str], Path]) -> None:
    overrides = "\nlanguage.compress.variants=[int8, distilled_int8]\nlanguage.compress.max_ndcg_loss=1"
    overrides += "\nlanguage.compress.steps=3\nlanguage.compress.layers=1"
    enter(TINY.replace("pretrain.max_steps=30", "pretrain.max_steps=2") + overrides)
    tiny_bert(Path("tiny"), layers=2)
    for stage in (resolve, ingest, split, pretrain, encode):
        stage.main()
    metrics = json.loads(Path("reports/pretrain/metrics.json").read_text())
    assert {f"compress/{name}/ndcg_at_10" for name in ("full", "int8", "distilled_int8")} <= set(metrics)
    choice = ModelChoice.model_validate_json(Path("models/language/language.json").read_bytes())
    assert "encoder distilled_int8: the fastest" in choice.reason  # any loss is allowed
    language = params.load(Path("run/params.yaml")).language
    chosen = Encoder.load(chosen_model(Path("models/language"), "tiny"), language)
    config = json.loads((chosen.folder / "config.json").read_text())
    assert config["num_hidden_layers"] == 1
    assert config["carousel_int8"]
    assert json.loads(Path("features/encoder.json").read_text())["digest"] == chosen.digest
