"""A small corpus and a short pretraining run on a tiny model."""

from pathlib import Path

from components import params
from components.language.corpus import Corpus, build_corpus
from components.language.pretrain import Pretrained, pretrain
from components.params import LanguageParams
from tests.components.language.tiny import tiny_bert
from tests.support import ROOT

OVERRIDES = [
    "threads=1", "max_tokens=16", "pretrain.max_steps=12", "pretrain.min_token_count=1", "pretrain.texts_per_step=4",
    "pretrain.pairs_per_step=8", "pretrain.learning_rate=0.01", "pretrain.checkpoint_every_steps=5",
    "pretrain.lora_rank=2",
]  # fmt: skip


def language(*overrides: str) -> LanguageParams:
    return params.load(ROOT / "params.yaml", overrides=[f"language.{k}" for k in (*OVERRIDES, *overrides)]).language


def corpus() -> Corpus:
    """Texts about red things are paired with 红, about blue ones with 蓝; some of the texts are held out."""
    things = ("tea pot", "cup", "sock", "boot", "kettle", "shoe")
    red, blue = ([f"{colour} {thing}" for thing in things] for colour in ("red", "blue"))
    opinions = [f"a {opinion} {text}" for opinion in ("good", "bad") for text in (*red, *blue)]
    chinese = {"红茶壶": red, "红杯": red, "蓝鞋": blue, "蓝壶": blue}
    pairs = [(zh, en) for zh, texts in chinese.items() for en in texts]
    return build_corpus([*opinions, *chinese], {"query-click": pairs}, 0.2, 5)


def run(tmp_path: Path, *overrides: str, original: Path | None = None, name: str = "out") -> Pretrained:
    folder = original or tiny_bert(tmp_path / "original")
    return pretrain(folder, corpus(), language(*overrides), 7, tmp_path / name, tmp_path / f"work-{name}")
