"""bfloat16 where the CPU multiplies it natively and there is no GPU, unless a parameter says otherwise."""

import pytest
import torch

from components.language import precision
from components.language.precision import autocast, chosen_precision


@pytest.mark.parametrize(
    ("native", "gpu", "chosen"),
    [(True, False, "bfloat16"), (False, False, "float32"), (True, True, "float32"), (False, True, "float32")],
)
def test_auto_follows_the_machine(native: bool, gpu: bool, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_native_bfloat16", lambda: native)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert chosen_precision("auto") == chosen
    assert chosen_precision("float32") == "float32"
    assert chosen_precision("bfloat16") == "bfloat16"


def test_native_instructions_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert not precision.has_native_bfloat16()
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert precision.has_native_bfloat16()


def test_products_of_a_float32_model_are_computed_in_the_type() -> None:
    layer, x = torch.nn.Linear(8, 8), torch.randn(2, 8)
    with autocast("bfloat16", "cpu"):
        assert layer(x).dtype == torch.bfloat16
    with autocast("float32", "cpu"):
        assert layer(x).dtype == torch.float32
