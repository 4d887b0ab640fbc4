"""Losses with known values, reproducible masks, and the perplexity of an untrained model."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from components.language import objectives
from components.language.backbone import Backbone, read_backbone
from tests.components.language.tiny import tiny_bert, tiny_gpt2

TEXTS = ["red tea pot", "a good blue cup for drinking tea", "sock"]


def ignorant(backbone: Backbone) -> Backbone:
    with torch.no_grad():
        for weight in backbone.model.parameters():
            weight.zero_()
    return backbone


@pytest.mark.parametrize("make", [tiny_bert, tiny_gpt2])
def test_the_perplexity_of_an_untrained_model_is_about_the_vocabulary_size(make: object, tmp_path: Path) -> None:
    backbone = ignorant(read_backbone(make(tmp_path), 1))  # type: ignore[operator]
    rows = objectives.tokenise(backbone.tokenizer, TEXTS, 16)
    value = objectives.perplexity(backbone, rows, 0.15, seed=1, size=2, device="cpu")
    assert value == pytest.approx(len(backbone.tokenizer), rel=1e-4)
    assert math.isnan(objectives.perplexity(backbone, [], 0.15, seed=1, size=2, device="cpu"))


def test_masks_are_reproducible_at_least_one_and_never_special_tokens(tmp_path: Path) -> None:
    backbone = read_backbone(tiny_bert(tmp_path), 1)
    rows = objectives.tokenise(backbone.tokenizer, TEXTS, 16)
    one, again = (objectives.make_lm_batch(backbone, rows, 0.4, np.random.default_rng(1), "cpu") for _ in range(2))
    torch.testing.assert_close(one.ids, again.ids)
    masked = one.labels != objectives.IGNORE
    assert masked.sum(1).tolist() == [1, 3, 1]  # of 3, 7 and 1 words
    assert (one.ids[masked] == backbone.tokenizer.mask_token_id).all()
    assert not set(one.labels[masked].tolist()) & set(backbone.tokenizer.all_special_ids)
    assert one.labels[1, 1:8][masked[1, 1:8]].tolist() == [
        t for t, a in zip(rows[1][1:8], masked[1, 1:8].tolist(), strict=True) if a
    ]


def test_a_decoder_predicts_every_token_but_the_first(tmp_path: Path) -> None:
    backbone = read_backbone(tiny_gpt2(tmp_path), 1)
    batch = objectives.make_lm_batch(backbone, [[5, 6, 7], [8]], 0.15, np.random.default_rng(1), "cpu")
    assert batch.labels.tolist() == [[-100, 6, 7], [-100, -100, -100]]
    loss, n = objectives.language_loss(backbone, batch)
    assert n == 2
    assert loss.item() > 0


def test_pair_loss_by_hand() -> None:
    rows = torch.eye(2)
    none_shared = torch.zeros(2, 2, dtype=torch.bool)
    assert float(objectives.pair_loss(rows, rows, none_shared, 1.0)) == pytest.approx(math.log(1 + math.exp(-1)))
    assert float(objectives.pair_loss(rows, rows.flip(0), none_shared, 1.0)) == pytest.approx(math.log(1 + math.exp(1)))
    assert float(objectives.pair_loss(rows, rows.flip(0), ~none_shared, 1.0)) == 0  # the other one is not a negative


def test_pairs_with_a_text_in_common() -> None:
    same = objectives.shared_texts(np.array([[1, 2], [1, 3], [4, 5], [5, 6]]))
    assert same.int().tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]


def test_padding_changes_no_vector(tmp_path: Path) -> None:
    backbone = read_backbone(tiny_bert(tmp_path), 1)
    backbone.model.eval()
    rows = objectives.tokenise(backbone.tokenizer, TEXTS, 16)
    together = objectives.embed(backbone, rows, "cpu")
    torch.testing.assert_close(objectives.embed(backbone, rows[:1], "cpu")[0], together[0])
