"""Words that the tokenizer does not know are found, counted and added."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from components.language import vocabulary
from components.language.backbone import Backbone, read_backbone
from tests.components.language.tiny import tiny_bert, tiny_gpt2

TEXTS = ["红茶壶 red tea pot", "红杯", "red Löffel", "löffel pot", "a 👍 cup"]


@pytest.fixture
def backbone(tmp_path: Path) -> Backbone:
    return read_backbone(tiny_bert(tmp_path), seed=1)


def test_characters_and_words_are_counted(backbone: Backbone) -> None:
    counts = vocabulary.unknown_words(backbone.tokenizer, TEXTS)
    assert counts == {"红": 2, "茶": 1, "壶": 1, "杯": 1, "loffel": 2, "👍": 1}
    assert vocabulary.new_words(counts, 10, 2) == ["loffel", "红"]
    assert vocabulary.new_words(counts, 1, 1) == ["loffel"]
    assert vocabulary.new_words(Counter(), 10, 1) == []


def test_added_words_are_known_and_others_tokenised_as_before(backbone: Backbone) -> None:
    tokenizer, model = backbone.tokenizer, backbone.model
    known = tokenizer("red tea pot 12")["input_ids"]
    rows = model.get_input_embeddings().weight.detach().clone()
    assert vocabulary.unknown_share(tokenizer, ["红茶壶 red"]) == 0.75
    counts = vocabulary.unknown_words(tokenizer, TEXTS)
    assert vocabulary.add_words(tokenizer, model, vocabulary.new_words(counts, 100, 1), seed=1) == 6
    assert vocabulary.unknown_share(tokenizer, TEXTS) == 0
    assert tokenizer("red tea pot 12")["input_ids"] == known
    assert len(set(tokenizer("红茶壶", add_special_tokens=False)["input_ids"])) == 3
    torch.testing.assert_close(model.get_input_embeddings().weight[: len(rows)], rows, rtol=0, atol=0)
    assert vocabulary.add_words(tokenizer, model, ["红"], seed=1) == 0


def test_an_added_word_is_not_matched_inside_another(backbone: Backbone) -> None:
    vocabulary.add_words(backbone.tokenizer, backbone.model, ["loffel", "茶"], seed=1)
    assert vocabulary.unknown_share(backbone.tokenizer, ["loffel 茶茶"]) == 0
    assert vocabulary.unknown_share(backbone.tokenizer, ["loffels"]) == 1


def test_new_rows_differ_have_the_scale_of_the_old_ones_and_follow_the_seed(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path)
    rows = []
    for seed in (1, 1, 2):
        backbone = read_backbone(folder, seed=0)
        start = len(backbone.tokenizer)
        vocabulary.add_words(backbone.tokenizer, backbone.model, ["红", "茶"], seed)
        weight = backbone.model.get_input_embeddings().weight.detach()
        rows.append(weight[start:])
        assert 0.5 < float(weight[start:].std() / weight[:start].std()) < 2
    torch.testing.assert_close(rows[0], rows[1], rtol=0, atol=0)
    assert (rows[0] != rows[2]).any()
    assert (rows[0][0] != rows[0][1]).any()


def test_a_byte_tokenizer_has_no_unknown_words(tmp_path: Path) -> None:
    tokenizer = read_backbone(tiny_gpt2(tmp_path), seed=1).tokenizer
    assert vocabulary.unknown_words(tokenizer, TEXTS) == {}
    assert vocabulary.unknown_share(tokenizer, TEXTS) == 0
