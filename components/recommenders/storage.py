"""A model on disk: a folder with model.json (name, format, settings) and arrays.safetensors; no executable code."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from scipy.sparse import csr_matrix

from components.compat import translate
from components.contracts import FloatArray
from components.errors import ContractError
from components.io import describe_problems, write_bytes, write_json
from components.params import Section
from components.recommenders.histories import Matrix

Array = NDArray[Any]
SectionT = TypeVar("SectionT", bound=Section)


def write_model(
    folder: Path, name: str, version: int, n_items: int, settings: Mapping[str, Section], arrays: Mapping[str, Array]
) -> None:
    """Write the folder's two files; model.json is written last, so a folder that has it is complete."""
    write_bytes(folder / "arrays.safetensors", save({k: np.ascontiguousarray(v) for k, v in arrays.items()}))
    sections = {key: section.model_dump(mode="json") for key, section in settings.items()}
    tree = {"name": name, "format": version, "n_items": n_items, **sections}
    write_json(folder / "model.json", tree, sort_keys=True)


def read_settings(folder: Path) -> dict[str, Any]:
    """Return model.json; raises ContractError when it is missing, no JSON object, or names no model."""
    path = folder / "model.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ContractError(f"{path}: cannot be read ({error.strerror}); expected a folder that `save` wrote") from None
    except ValueError as error:
        raise ContractError(f"{path}: not JSON ({error}); save the model again") from None
    if not isinstance(settings, dict) or not isinstance(settings.get("name"), str):
        raise ContractError(f"{path}: expected an object with a `name`; save the model again")
    return translate("recommender", settings)


class Stored:
    """A model folder as read: settings and arrays by name, each checked when it is read."""

    def __init__(self, folder: Path, name: str, version: int) -> None:
        self.folder = folder
        self.settings = read_settings(folder)
        found = (self.settings["name"], self.settings.get("format"))
        if found != (name, version):
            raise ContractError(f"{folder}: expected model {name!r} in format {version}, got {found}; fit it again")
        n_items = self.settings.get("n_items")
        if not isinstance(n_items, int) or n_items < 1:
            raise ContractError(f"{folder}/model.json: expected n_items of 1 or more, got {n_items!r}")
        self.n_items = n_items
        path = folder / "arrays.safetensors"
        try:
            self.arrays: dict[str, Array] = translate("recommender_arrays", load_file(path))
        except (OSError, SafetensorError) as error:
            raise ContractError(f"{path}: cannot be read ({error}); save the model again") from None

    def section(self, key: str, kind: type[SectionT], **earlier: Any) -> SectionT:
        """Return the parameters that the model was fitted with.

        earlier: values of parameters that models of earlier versions lack, as these models worked.
        """
        content = self.settings.get(key)
        try:
            return kind.from_saved({**earlier, **content} if isinstance(content, dict) else content)
        except ValueError as error:  # pydantic's ValidationError is one
            raise ContractError(
                f"{self.folder}/model.json: {key!r} is not {kind.__name__} ({describe_problems(error)})"
            ) from None

    def array(self, key: str, shape: tuple[int | None, ...], dtype: type = np.float32) -> Array:
        """Return an array of that shape (None: any length) and dtype, without NaN or infinity."""
        if key not in self.arrays:
            raise ContractError(f"{self.folder}: no array {key!r} in arrays.safetensors, it has {sorted(self.arrays)}")
        value = self.arrays[key]
        fits = value.ndim == len(shape) and all(want in (None, n) for want, n in zip(shape, value.shape, strict=True))
        if not fits or value.dtype != dtype:
            raise ContractError(
                f"{self.folder}: array {key!r} is {value.dtype} {value.shape}; expected {np.dtype(dtype)} {shape}"
            )
        if not np.isfinite(value).all():
            raise ContractError(f"{self.folder}: array {key!r} holds NaN or infinity; fit the model again")
        return value

    def item_matrix(self, key: str) -> Matrix:
        """Return a sparse (n_items + 1, n_items + 1) matrix from the arrays of `matrix_arrays`."""
        return self.sparse(key, self.n_items + 1)

    def sparse(self, key: str, width: int) -> Matrix:
        """Return a sparse (n_items + 1, width) matrix from the arrays of `matrix_arrays`."""
        size = self.n_items + 1
        indptr = self.array(f"{key}.indptr", (size + 1,), np.int64)
        data = self.array(f"{key}.data", (None,))
        indices = self.array(f"{key}.indices", data.shape, np.int32)
        is_valid = indptr[0] == 0 and indptr[-1] == len(data) and (np.diff(indptr) >= 0).all()
        if not is_valid or (len(indices) and not (indices.min() >= 0 and indices.max() < width)):
            raise ContractError(f"{self.folder}: sparse array {key!r} has indices out of range; fit the model again")
        return csr_matrix((data, indices, indptr), shape=(size, width))


def matrix_arrays(key: str, matrix: Matrix) -> dict[str, Array]:
    """Return the arrays of a sparse matrix, in order and without duplicates: equal matrices give equal arrays."""
    matrix = matrix.copy()
    matrix.sum_duplicates()
    data: FloatArray = matrix.data.astype(np.float32)
    return {
        f"{key}.data": data,
        f"{key}.indices": matrix.indices.astype(np.int32),
        f"{key}.indptr": matrix.indptr.astype(np.int64),
    }
