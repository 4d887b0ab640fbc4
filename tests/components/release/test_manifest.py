"""A bundle is refused unless every file matches its manifest."""

import json
import os
from hashlib import sha256
from pathlib import Path

import pytest

from components.errors import ContractError, TamperedError
from components.release.manifest import check_files


def test_one_flipped_byte_in_any_file_is_named(bundle: Path) -> None:
    names = [p for p in sorted(bundle.rglob("*")) if p.is_file()]
    assert len(names) >= 9
    for path in names:
        whole = path.read_bytes()
        digest = sha256((bundle / "manifest.json").read_bytes()).hexdigest()
        for at in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(TamperedError, match=path.name):
                check_files(bundle, digest)
        path.write_bytes(whole)
    assert check_files(bundle, digest)


@pytest.mark.parametrize("name", ["model/model.pkl", "model/code.py", "weights.bin", "model/.hidden", "notes.txt"])
def test_a_file_that_is_not_in_the_manifest_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).write_text("x")
    with pytest.raises(TamperedError, match=Path(name).name):
        check_files(bundle)


def test_a_missing_file_is_named(bundle: Path) -> None:
    (bundle / "fallback/model.json").unlink()
    with pytest.raises(TamperedError, match=r"fallback/model\.json"):
        check_files(bundle)


def test_links_and_special_files_are_refused(bundle: Path, tmp_path: Path) -> None:
    moved = tmp_path / "items.parquet"
    (bundle / "items.parquet").rename(moved)
    (bundle / "items.parquet").symlink_to(moved)
    with pytest.raises(TamperedError, match=r"items\.parquet: a link"):
        check_files(bundle)
    (bundle / "items.parquet").unlink()
    moved.rename(bundle / "items.parquet")
    os.mkfifo(bundle / "pipe.json")
    with pytest.raises(TamperedError, match="special"):
        check_files(bundle)
    (bundle / "pipe.json").unlink()
    link = tmp_path / "elsewhere"
    link.symlink_to(bundle)
    with pytest.raises(TamperedError, match="link"):
        check_files(link)


@pytest.mark.parametrize(
    "name", ["../outside.json", "/etc/passwd.json", "a/../../b.json", "a\\b.json", "./info.json", "a//b.json", "x.pkl"]
)
def test_a_manifest_cannot_name_paths_outside_or_executable_formats(bundle: Path, name: str) -> None:
    tree = json.loads((bundle / "manifest.json").read_text())
    tree["files"][name] = {"sha256": "0" * 64, "bytes": 1}
    (bundle / "manifest.json").write_text(json.dumps(tree))
    with pytest.raises(TamperedError, match="refused"):
        check_files(bundle)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"format": 1}', '{"format": 1, "files": {"a.json": 3}}', "\x00"]
)
def test_a_malformed_manifest_is_refused(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_text(text)
    with pytest.raises(TamperedError, match="not a manifest"):
        check_files(bundle)


def test_another_format_is_refused(bundle: Path) -> None:
    tree = json.loads((bundle / "manifest.json").read_text()) | {"format": 2}
    (bundle / "manifest.json").write_text(json.dumps(tree))
    with pytest.raises(ContractError, match="format 2"):
        check_files(bundle)


def test_a_half_written_bundle_is_refused(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()
    with pytest.raises(TamperedError, match="half written"):
        check_files(bundle)
