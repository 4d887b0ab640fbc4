"""The adapted model is used only where it was accepted, and for the model that it came from."""

from pathlib import Path

import pytest

from components.errors import ContractError
from components.language.choice import ModelChoice, chosen_model, write_choice
from components.language.encoder import resolve_model
from tests.components.language.tiny import tiny_bert


def test_an_accepted_model_is_used_and_a_rejected_one_is_not(tmp_path: Path) -> None:
    write_choice(tiny_bert(tmp_path), ModelChoice(accepted=True, reason="better", original="minilm"))
    assert chosen_model(tmp_path, "minilm") == tmp_path
    write_choice(tmp_path, ModelChoice(accepted=False, reason="worse", original="minilm"))
    assert chosen_model(tmp_path, "minilm") == resolve_model("minilm")


def test_a_missing_choice_or_one_about_another_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="run the stage `pretrain`"):
        chosen_model(tmp_path, "minilm")
    write_choice(tmp_path, ModelChoice(accepted=False, reason="", original="other"))
    with pytest.raises(ContractError, match=r"about other, language\.model is minilm"):
        chosen_model(tmp_path, "minilm")
    write_choice(tmp_path, ModelChoice(accepted=True, reason="", original="minilm"))
    with pytest.raises(ContractError, match="has no"):
        chosen_model(tmp_path, "minilm")
