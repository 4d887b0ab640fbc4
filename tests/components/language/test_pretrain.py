"""Pretraining on a tiny shop: it learns, stays bounded, and a killed run ends with the same bytes."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from components.errors import ContractError
from components.language.encoder import Encoder
from tests.components.language.pretraining import language, run
from tests.components.language.tiny import tiny_gpt2
from tests.components.used_process import used_process

ROOT = Path(__file__).parents[3]


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def alike(folder: Path) -> float:
    """Return how much nearer Chinese queries are to their own colour than to the other."""
    vectors = Encoder.load(folder, language()).encode(["红杯", "蓝鞋", "red cup", "blue shoe"])
    cosines = vectors[:2] @ vectors[2:].T
    return float(np.trace(cosines) - cosines[0, 1] - cosines[1, 0])


@pytest.mark.parametrize("method", ["full", "lora"])
def test_pretraining_learns_related_texts(method: str, tmp_path: Path) -> None:
    result = run(tmp_path, f"pretrain.method={method}", "pretrain.max_steps=60")
    pairs = result.curves["train/pairs"]
    assert len(pairs) == 60
    assert np.mean(pairs[-5:]) < np.mean(pairs[:5]) - 0.2
    assert result.metrics["perplexity/after"] < result.metrics["perplexity/before"]
    assert result.metrics["unknown/zh/before"] > 0.9
    assert result.metrics["unknown/zh/after"] == 0
    assert result.metrics["head_is_new"] == 1
    assert alike(tmp_path / "out") > 0.5
    assert alike(tmp_path / "original") == pytest.approx(0, abs=0.3)


def test_a_decoder_learns_the_next_token(tmp_path: Path) -> None:
    result = run(
        tmp_path, "pretrain.max_steps=60", "pretrain.learning_rate=0.005", original=tiny_gpt2(tmp_path / "original")
    )
    assert result.metrics["perplexity/after"] < result.metrics["perplexity/before"] / 2
    assert result.metrics["vocabulary/new"] == 0
    assert np.isfinite(Encoder.load(tmp_path / "out", language()).encode(["红杯", "red cup"])).all()


def test_lora_does_not_change_old_words(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    run(tmp_path, "pretrain.method=lora")
    name = "embeddings.word_embeddings.weight"
    before, after = (load_file(tmp_path / f / "model.safetensors")[name] for f in ("original", "out"))
    torch.testing.assert_close(after[: len(before)], before, rtol=0, atol=0)
    assert len(after) > len(before)


def test_the_model_does_not_depend_on_earlier_work_of_the_process(tmp_path: Path) -> None:
    run(tmp_path, "pretrain.max_steps=4", name="fresh")
    with used_process():
        run(tmp_path, "pretrain.max_steps=4", original=tmp_path / "original", name="used")
    assert digests(tmp_path / "used") == digests(tmp_path / "fresh")


def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    straight = run(tmp_path, name="straight")
    code = (
        "import sys; from pathlib import Path; from tests.components.language.pretraining import run\n"
        "run(Path(sys.argv[1]), original=Path(sys.argv[1]) / 'original', name='killed')"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    killed = subprocess.run(command, cwd=ROOT, env=os.environ | {"CRASH_AT": "pretrain:step"}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed").exists()
    assert (tmp_path / "work-killed/state.safetensors").exists()
    again = run(tmp_path, name="killed")
    assert digests(tmp_path / "killed") == digests(tmp_path / "straight")
    assert again.curves == straight.curves
    assert again.metrics == straight.metrics


def test_another_corpus_or_parameter_does_not_resume_the_old_run(tmp_path: Path) -> None:
    run(tmp_path)
    assert run(tmp_path, "pretrain.max_steps=3").metrics["steps"] == 3


def test_a_run_that_max_minutes_stops_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    straight = run(tmp_path, "pretrain.max_steps=4", name="straight")
    assert straight.unfinished is None
    slow = ("pretrain.max_steps=4", "pretrain.max_minutes=0.00001")  # stops after each step
    for step in (1, 2, 3):
        stopped = run(tmp_path, *slow, original=tmp_path / "original", name="slow")
        assert stopped.unfinished is not None
        assert (stopped.metrics["steps"], stopped.unfinished.step, stopped.metrics["unfinished"]) == (step, step, 1)
        assert (tmp_path / "slow/model.safetensors").exists()
    last = run(tmp_path, "pretrain.max_steps=4", original=tmp_path / "original", name="slow")  # with another limit
    assert last.unfinished is None
    assert digests(tmp_path / "slow") == digests(tmp_path / "straight")
    assert last.curves == straight.curves


def test_a_loss_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"lower language\.pretrain\.learning_rate"):
        run(tmp_path, "pretrain.learning_rate=1", "pretrain.temperature=1e-42")


def test_each_objective_works_alone(tmp_path: Path) -> None:
    only_pairs = run(tmp_path, "pretrain.texts_per_step=0", name="pairs")
    assert set(only_pairs.curves["train/language"]) == {0.0}
    only_texts = run(tmp_path, "pretrain.pairs_per_step=0", name="texts")
    assert set(only_texts.curves["train/pairs"]) == {0.0}
    assert digests(tmp_path / "pairs") != digests(tmp_path / "texts")


def test_zero_steps_only_add_the_words(tmp_path: Path) -> None:
    result = run(tmp_path, "pretrain.max_steps=0")
    assert (result.metrics["steps"], result.curves) == (0, {})
    assert result.metrics["vocabulary/new"] == 6  # 红 蓝 茶 壶 杯 鞋
    texts = ["red tea pot", "good blue cup"]
    before, after = (Encoder.load(tmp_path / f, language()).encode(texts) for f in ("original", "out"))
    np.testing.assert_allclose(after, before, atol=1e-6)
    one, other = Encoder.load(tmp_path / "out", language()).encode(["红", "蓝"])
    assert one @ other < 0.999
    same = Encoder.load(tmp_path / "original", language()).encode(["红", "蓝"])
    np.testing.assert_allclose(same[0], same[1], atol=1e-6)  # to the original, both are [UNK]
