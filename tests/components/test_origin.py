"""The catalogue that is written into the header of safetensors files."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from components.errors import ContractError
from components.origin import Origin, catalogue_digest, check_origin, stamp

ORIGIN = Origin(catalogue=catalogue_digest(["", "a", "b"]), encoder="e" * 64)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "part/arrays.safetensors"
    path.parent.mkdir()
    save_file({"x": np.arange(5, dtype=np.float32), "y": np.ones((2, 3))}, path, metadata={"kept": "yes"})
    return path


def test_the_digest_depends_on_ids_and_order_only() -> None:
    assert catalogue_digest(["", "a", "b"]) == catalogue_digest(["", "a", "b"])
    others = [["", "b", "a"], ["", "a"], ["", "a", "b", "c"], ["", "ab"], ["", "a,", "b"], ["", "a", "B"]]
    assert len({catalogue_digest(ids) for ids in [*others, ["", "a", "b"]]}) == 7


def test_a_stamp_keeps_tensors_and_metadata(file: Path) -> None:
    before = load_file(file)
    stamp(file.parent, ORIGIN)
    first = file.read_bytes()
    check_origin(file, ORIGIN, strict=True)
    for name, tensor in load_file(file).items():
        np.testing.assert_array_equal(tensor, before[name])
    assert b'"kept":"yes"' in first
    stamp(file.parent, ORIGIN)
    assert file.read_bytes() == first


@pytest.mark.parametrize(
    ("other", "word"),
    [(Origin(catalogue=catalogue_digest(["", "b", "a"]), encoder="e" * 64), "catalogue"),
     (Origin(catalogue=ORIGIN.catalogue, encoder="f" * 64), "encoder")],
)  # fmt: skip
def test_a_file_of_another_catalogue_or_encoder_is_named(file: Path, other: Origin, word: str) -> None:
    stamp(file.parent, other)
    for strict in (True, False):
        with pytest.raises(ContractError, match=rf"part/arrays\.safetensors does not belong .*{word} .*expected"):
            check_origin(file, ORIGIN, strict=strict)


def test_a_file_that_names_none_is_refused_only_where_all_must(file: Path) -> None:
    check_origin(file, ORIGIN, strict=False)
    with pytest.raises(ContractError, match="names no catalogue"):
        check_origin(file, ORIGIN, strict=True)


@pytest.mark.parametrize("content", [b"", b"\xff" * 20, b"\x02\0\0\0\0\0\0\0[]", b"\x09\0\0\0\0\0\0\0{}"])
def test_a_damaged_header_is_an_error(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    if content.endswith(b"{}"):
        check_origin(file, ORIGIN, strict=False)  # a header without tensors; the reader of the model refuses it
        return
    with pytest.raises(ContractError, match=r"not a safetensors file|names no"):
        check_origin(file, ORIGIN, strict=True)
