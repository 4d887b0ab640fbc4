"""Models are read as encoder or decoder, with their head, and written as encoders."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from components import params
from components.errors import ContractError
from components.language import backbone
from components.language.encoder import FILES, Encoder
from tests.components.language.tiny import tiny_bert, tiny_gpt2

LANGUAGE = params.load(Path(__file__).parents[3] / "params.yaml").language


def test_kinds(tmp_path: Path) -> None:
    assert backbone.model_kind(tiny_bert(tmp_path / "b")) == "encoder"
    assert backbone.model_kind(tiny_gpt2(tmp_path / "g")) == "decoder"
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(ContractError, match="expected an encoder or a decoder, got a vit"):
        backbone.model_kind(tmp_path)


def test_a_missing_head_is_reported_and_drawn_from_the_seed(tmp_path: Path) -> None:
    assert not backbone.read_backbone(tiny_bert(tmp_path / "with", head=True), 1).head_is_new
    folder = tiny_bert(tmp_path / "without")
    heads = [backbone.read_backbone(folder, seed).model.cls.predictions.transform.dense.weight for seed in (1, 1, 2)]
    assert backbone.read_backbone(folder, 1).head_is_new
    torch.testing.assert_close(heads[0], heads[1], rtol=0, atol=0)
    assert (heads[0] != heads[2]).any()


@pytest.mark.parametrize("make", [tiny_bert, tiny_gpt2])
def test_a_written_model_gives_the_same_vectors(make: object, tmp_path: Path) -> None:
    folder = make(tmp_path / "original")  # type: ignore[operator]
    read = backbone.read_backbone(folder, 1)
    backbone.write_backbone(read, folder, tmp_path / "again")
    texts = ["red tea pot", "cup", ""]
    first, again = (Encoder.load(f, LANGUAGE).encode(texts) for f in (folder, tmp_path / "again"))
    np.testing.assert_allclose(first, again, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), [1, 1, 0], atol=1e-5)
    Encoder.load(tmp_path / "again", LANGUAGE).save(tmp_path / "bundle")
    assert {p.name for p in (tmp_path / "bundle").iterdir()} <= set(FILES)


@pytest.mark.parametrize("make", [tiny_bert, tiny_gpt2])
def test_head_logits_equal_those_of_the_model(make: object, tmp_path: Path) -> None:
    model = backbone.read_backbone(make(tmp_path), 1).model.eval()  # type: ignore[operator]
    ids = torch.tensor([[2, 7, 9, 3]])
    hidden = backbone.hidden_states(model, ids, torch.ones_like(ids))
    torch.testing.assert_close(backbone.head_logits(model, hidden[0]), model(input_ids=ids).logits[0])


def test_mean_pool_ignores_padding() -> None:
    hidden = torch.tensor([[[3.0, 0.0], [0.0, 4.0], [9.0, 9.0]]])
    pooled = backbone.mean_pool(hidden, torch.tensor([[1, 1, 0]]))
    torch.testing.assert_close(pooled, torch.tensor([[0.6, 0.8]]))
