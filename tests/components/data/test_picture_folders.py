"""Folders of pictures: of this machine, and of an object store; the same rules and limits for both."""

import importlib.util
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

from components.data.picture_folders import MAX_BYTES, BrokenPictureError, LocalFolder, PictureFolder, open_folder
from components.data.pictures import PictureCounts, take_pictures
from components.errors import ContractError

BUCKET = "memory://shop-pictures/spring"


def png(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (30, 20), colour).save(out, "PNG")
    return out.getvalue()


Write = Callable[[str, bytes], object]


@pytest.fixture(params=["path", "file://", "memory://"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[PictureFolder, Write]]:
    """Return a folder that has outside.png beside it, and a function that writes a file to it."""
    if request.param == "memory://":
        store = MemoryFileSystem()
        store.pipe("/shop-pictures/outside.png", png())
        yield open_folder(BUCKET, tmp_path), lambda name, content: store.pipe(f"/shop-pictures/spring/{name}", content)
        store.rm("/shop-pictures", recursive=True)
        return
    (tmp_path / "pictures").mkdir()
    (tmp_path / "outside.png").write_bytes(png())
    address = "pictures" if request.param == "path" else f"file://{tmp_path}/pictures"
    yield open_folder(address, tmp_path), lambda name, content: (tmp_path / "pictures" / name).write_bytes(content)


def test_files_below_the_folder_are_read(place: tuple[PictureFolder, Write]) -> None:
    folder, write = place
    write("a.png", png())
    folder.check()
    assert folder.read("a.png") == png()
    if "://" in folder.name:  # a product may name the object in full
        assert folder.read(f"{folder.name}/a.png") == png()


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        ("https://shop.example/a.png", "an address"),
        ("file:///etc/passwd", "an address"),
        ("s3://another/a.png", "an address"),
        ("memory://shop-pictures/outside.png", "an address"),
        ("memory://shop-pictures/spring/../outside.png", "outside the folder|an address"),
        ("../outside.png", "outside the folder"),
        ("/etc/passwd", "outside the folder"),
        ("none.png", "no such file"),
        ("a\0b.png", "cannot be read|no such file"),
        ("x" * 5000, "cannot be read|no such file"),
        ("large.png", f"more than {MAX_BYTES} bytes"),
        ("", "no such file"),
        (".", "no such file"),
    ],
)
def test_nothing_else_is_read(place: tuple[PictureFolder, Write], image: str, rule: str) -> None:
    folder, write = place
    write("large.png", bytes(MAX_BYTES + 1))
    with pytest.raises(BrokenPictureError, match=rule):
        folder.read(image)


def test_links_lead_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "outside.png").write_bytes(png())
    (tmp_path / "pictures/link.png").symlink_to(tmp_path / "outside.png")
    for address in ("pictures", f"file://{tmp_path}/pictures"):
        with pytest.raises(BrokenPictureError, match="outside the folder"):
            open_folder(address, tmp_path).read("link.png")


def test_the_digest_changes_with_a_file(place: tuple[PictureFolder, Write]) -> None:
    folder, write = place
    write("a.png", png())
    first = folder.digest()
    assert folder.digest() == first
    write("b.png", png())
    assert folder.digest() != first


def test_ingest_takes_pictures_of_a_bucket_as_those_of_a_folder(tmp_path: Path) -> None:
    store = MemoryFileSystem()
    try:
        files = {"a.png": png(), "broken.jpg": b"\xff\xd8\xff broken", "large.png": bytes(MAX_BYTES + 1)}
        (tmp_path / "local").mkdir()
        for name, content in files.items():
            store.pipe(f"/shop-pictures/spring/{name}", content)
            (tmp_path / "local" / name).write_bytes(content)
        images = ["a.png", None, "broken.jpg", "none.png", "large.png", "../a.png", "http://shop.example/a.png"]
        products = pa.table({"item_id": [f"P{n}" for n in range(1, 8)], "image": pa.array(images, pa.string())})
        taken = {}
        for address in ("local", BUCKET):
            out = tmp_path / address.replace("/", "-").replace(":", "")
            out = out.with_name(f"{out.name}-snapshot")
            out.mkdir()
            counts = take_pictures(products, open_folder(address, tmp_path), out, out / "quarantine")
            assert counts == PictureCounts(read=7, valid=1, quarantined=5, absent=1)
            refused = pq.read_table(out / "quarantine/pictures.parquet")
            assert set(refused["file"].to_pylist()) == {address}
            taken[address] = ((out / "pictures.parquet").read_bytes(), refused.drop_columns("file").to_pylist())
        assert taken["local"] == taken[BUCKET]
    finally:
        store.rm("/shop-pictures", recursive=True)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for address in ("none", f"file://{tmp_path}/none", "memory://no-such-bucket/pictures"):
        with pytest.raises(ContractError, match=r"data\.pictures: expected a folder of pictures, found none at"):
            open_folder(address, tmp_path).check()


def test_a_store_without_its_client_is_an_error_that_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"data\.pictures nosuch://bucket: .*fsspec"):
        open_folder("nosuch://bucket", tmp_path)
    if importlib.util.find_spec("s3fs") is None:
        with pytest.raises(ContractError, match=r"s3fs.*carousel-mlops\[servers\]"):
            open_folder("s3://bucket/pictures", tmp_path)


@pytest.mark.skipif("CAROUSEL_TEST_BUCKET" not in os.environ, reason="CAROUSEL_TEST_BUCKET names no bucket")
def test_an_s3_bucket(tmp_path: Path) -> None:
    """With s3fs, and the variables of an S3 server: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY."""
    import fsspec

    address = f"s3://{os.environ['CAROUSEL_TEST_BUCKET']}/pictures-of-a-test"
    store, path = fsspec.core.url_to_fs(address)
    store.pipe(f"{path}/a.png", png())
    try:
        folder = open_folder(address, tmp_path)
        folder.check()
        assert not isinstance(folder, LocalFolder)
        assert folder.read("a.png") == png()
        with pytest.raises(BrokenPictureError, match="no such file"):
            folder.read("none.png")
    finally:
        store.rm(path, recursive=True)
