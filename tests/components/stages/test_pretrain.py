"""Stage pretrain on a tiny shop and a tiny model: its gate decides, `encode` obeys, twice the same."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from components import params
from components.language.choice import Choice, chosen_model
from components.language.encoder import Encoder
from components.stages import encode, ingest, pretrain, resolve, split
from tests.components.language.tiny import tiny_bert

TINY = """\
shop.n_users=60
shop.n_items=80
language.max_tokens=16
language.threads=1
language.model=tiny
language.pretrain.max_steps=30
language.pretrain.learning_rate=0.003
language.pretrain.texts_per_step=8
language.pretrain.pairs_per_step=16
language.pretrain.min_token_count=1"""


@pytest.fixture
def checkout(enter: Callable[[str], Path]) -> Path:
    """Return a checkout in which the stages before `pretrain` have run."""
    folder = enter(TINY)
    tiny_bert(Path("tiny"))
    for stage in (resolve, ingest, split):
        stage.main()
    return folder


def digests(*folders: str) -> dict[str, str]:
    files = [p for f in folders for p in sorted(Path(f).rglob("*")) if p.is_file()]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_gate_decides_and_encode_obeys(checkout: Path) -> None:
    pretrain.main()
    encode.main()
    choice = Choice.model_validate_json(Path("models/language/language.json").read_bytes())
    metrics = json.loads(Path("reports/pretrain/metrics.json").read_text())
    before, after = (metrics[f"retrieval/ndcg_at_10/{side}"] for side in ("before", "after"))
    assert choice.accepted == (after > before) == bool(metrics["accepted"])
    assert f"{after:.4f}" in choice.reason
    assert metrics["unknown/zh/before"] > 0.5
    assert metrics["unknown/zh/after"] < 0.01  # a word of held-out texts alone is not learned
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


def test_none_keeps_the_original(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAROUSEL_OVERRIDES", f"{TINY}\nlanguage.pretrain.method=none")
    resolve.main()
    pretrain.main()
    assert [p.name for p in Path("models/language").iterdir()] == ["language.json"]
    assert json.loads(Path("reports/pretrain/metrics.json").read_text()) == {"accepted": 0.0}
    assert chosen_model(Path("models/language"), "tiny") == Path("tiny")


@pytest.mark.parametrize(("after", "accepted"), [(0.2, True), (0.1, False), (0.05, False)])
def test_only_strictly_better_is_accepted(after: float, accepted: bool) -> None:
    choice = pretrain.judge("minilm", 0.1, after)
    assert choice.accepted is accepted
    assert f"{after:.4f}" in choice.reason
