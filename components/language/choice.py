"""The choice of the language model that encodes the shop's texts: the original, or the one that `pretrain` adapted."""

from __future__ import annotations

from pathlib import Path

from components.contracts import Record
from components.errors import ContractError
from components.io import read_record, write_record
from components.language.encoder import NEEDED, Encoder, encoder_digest, resolve_model
from components.params import LanguageParams

FILE = "language.json"


class ModelChoice(Record):
    """models/language/language.json; if accepted, the adapted model is in the same folder."""

    accepted: bool
    reason: str  # one sentence with the numbers
    original: str  # params language.model


def write_choice(folder: Path, choice: ModelChoice) -> None:
    """Write language.json."""
    write_record(folder / FILE, choice)


def take_recipe_model(folder: Path, recipe: Path, digest: str, language: LanguageParams) -> ModelChoice:
    """Write the language model of a recipe to `folder`, as `pretrain` does; return the choice.

    digest: the recipe's. recipe: where a bundle's model lies, if the bundle has one; the original is used where it has
    the digest. Raises ContractError where neither has.
    """
    choice = ModelChoice(accepted=False, reason="the recipe has the original model", original=language.model)
    if _original_digest(language) != digest:
        found = encoder_digest(recipe, language.max_tokens) if all((recipe / f).is_file() for f in NEEDED) else ""
        if found != digest:
            there = f"its bundle holds {found[:12]}" if found else "its bundle holds none (release.include_encoder)"
            raise ContractError(
                f"the champion's recipe encodes with language model {digest[:12]}, but {there}, and language.model "
                f"{language.model} is another one; run `carousel retrain` with release.include_encoder true"
            )
        Encoder.load(recipe, language).save(folder)
        choice = ModelChoice(accepted=True, reason="the recipe has an adapted model", original=language.model)
    write_choice(folder, choice)
    return choice


def _original_digest(language: LanguageParams) -> str:
    """Return the digest of language.model; "" where it is not on this machine."""
    try:
        return encoder_digest(resolve_model(language.model), language.max_tokens)
    except ContractError:
        return ""


def chosen_model(folder: Path, name: str) -> Path:
    """Return the folder of the model to encode with; `folder`: output of `pretrain`, `name`: language.model.

    Raises ContractError when the stage has not run, or ran for another original.
    """
    choice = read_record(folder / FILE, ModelChoice, "language_choice", "run the stage `pretrain`")
    if choice.original != name:
        raise ContractError(
            f"{folder / FILE} is about {choice.original}, language.model is {name}; run the stage `pretrain` again"
        )
    return resolve_model(str(folder)) if choice.accepted else resolve_model(name)
