"""Low-rank matrices start without effect, are the only trained weights, and are merged into the weights."""

from pathlib import Path

import pytest
import torch

from components.language.backbone import hidden_states, read_backbone
from components.language.lora import add_lora, merge_lora
from tests.components.language.tiny import tiny_bert, tiny_gpt2

IDS = torch.tensor([[2, 7, 9, 3]])


@pytest.mark.parametrize("make", [tiny_bert, tiny_gpt2])
def test_lora_starts_without_effect_is_trained_alone_and_is_merged(make: object, tmp_path: Path) -> None:
    model = read_backbone(make(tmp_path), seed=1).model.eval()  # type: ignore[operator]
    names = set(model.state_dict())
    before = {n: w.clone() for n, w in model.state_dict().items()}
    plain = hidden_states(model, IDS, torch.ones_like(IDS))
    assert add_lora(model.base_model, rank=2, alpha=4.0, seed=1) > 0
    torch.testing.assert_close(hidden_states(model, IDS, torch.ones_like(IDS)), plain, rtol=0, atol=0)
    learned = [w for w in model.base_model.parameters() if w.requires_grad]
    assert {min(w.shape) for w in learned} == {2}
    (hidden_states(model, IDS, torch.ones_like(IDS)) * torch.randn(32)).sum().backward()
    torch.optim.SGD(learned, lr=1.0).step()
    changed = hidden_states(model, IDS, torch.ones_like(IDS))
    assert (changed != plain).any()
    merge_lora(model)
    assert set(model.state_dict()) == names
    torch.testing.assert_close(hidden_states(model, IDS, torch.ones_like(IDS)), changed)
    moved = {n for n, w in model.state_dict().items() if not torch.equal(w, before[n])}
    assert moved
    assert all(w.dim() == 2 for n, w in model.state_dict().items() if n in moved)
