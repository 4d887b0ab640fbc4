"""Pictures: what is taken, what is quarantined by which rule, and that counts add up."""

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.data import pictures
from components.data.picture_folders import BrokenPictureError, open_folder
from components.data.pictures import SIDE, PictureCounts, decode, picture_bytes, take_pictures
from components.errors import ContractError, QualityError

RED = (200, 10, 10)


def encoded(kind: str, size: tuple[int, int] = (40, 20), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, RED if mode == "RGB" else 0).save(out, kind)
    return out.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims so many pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_each_format_becomes_a_square_on_white(kind: str) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(pictures.to_png(decode(encoded(kind))))))
    assert pixels.shape == (SIDE, SIDE, 3)
    assert np.abs(pixels[SIDE // 2, SIDE // 2].astype(int) - RED).max() < 12
    assert pixels[0].min() == pixels[-1].min() == 255  # the margins of a wide picture


def test_transparency_is_white_and_the_first_frame_of_an_animation_is_taken() -> None:
    clear = io.BytesIO()
    Image.new("RGBA", (30, 30), (0, 0, 0, 0)).save(clear, "PNG")
    assert np.asarray(decode(clear.getvalue())).min() == 255
    frames = [Image.new("RGB", (30, 30), colour) for colour in ("white", "black")]
    moving = io.BytesIO()
    frames[0].save(moving, "GIF", save_all=True, append_images=frames[1:])
    assert np.asarray(decode(moving.getvalue())).min() == 255


def test_the_same_picture_gives_the_same_bytes() -> None:
    assert pictures.to_png(decode(encoded("JPEG"))) == pictures.to_png(decode(encoded("JPEG")))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "not a picture"),
        (b"%PDF-1.7", "not a picture"),
        (encoded("PNG")[:40], "damaged|not a picture"),
        (encoded("JPEG", (300, 300))[:400], "damaged"),
        (huge_png(100_000, 100_000), "more than 50000000 pixels"),
        (huge_png(40_000, 10), "more than 20 times as long as wide"),
    ],
)
def test_hostile_and_damaged_pictures_are_refused(content: bytes, rule: str) -> None:
    with pytest.raises(BrokenPictureError, match=rule):
        decode(content)


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        ("data:image/png,abc", "without ;base64"),
        ("data:image/png;base64,%%%", "not base64"),
        ("data:image/png;base64,图片", "not base64"),
        ("none.png", "no such file"),
    ],
)
def test_only_base64_and_what_the_folder_has_are_read(tmp_path: Path, image: str, rule: str) -> None:
    with pytest.raises(BrokenPictureError, match=rule):
        picture_bytes(image, open_folder(".", tmp_path))


def products(images: list[str | None]) -> pa.Table:
    ids = [f"P{number}" for number in range(1, len(images) + 1)]
    return pa.table({"item_id": pa.array(ids, pa.string()), "image": pa.array(images, pa.string())})


def test_pictures_are_kept_or_quarantined_or_absent_and_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "BATCH", 2)
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").write_bytes(encoded("PNG"))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    data = "data:image/png;base64," + base64.b64encode(encoded("PNG")).decode()
    named = products(["a.png", None, "broken.jpg", data, "a.png", "", "none.png", "a.png"])
    counts = take_pictures(named, open_folder("pictures", tmp_path), tmp_path, tmp_path / "quarantine")
    assert counts == PictureCounts(read=8, valid=4, quarantined=2, absent=2)
    kept = pq.read_table(tmp_path / "pictures.parquet", page_checksum_verification=True).to_pydict()
    assert kept["item_id"] == ["P1", "P4", "P5", "P8"]
    assert len(set(kept["digest"])) == len(set(kept["png"])) == 1
    refused = pq.read_table(tmp_path / "quarantine/pictures.parquet").to_pydict()
    assert refused["row"] == [3, 7]
    assert refused["raw"] == ["P3: broken.jpg", "P7: none.png"]
    counts.check(0.4, "pictures")
    with pytest.raises(QualityError, match=r"2 of 6 broke a rule, more than data.max_bad_pictures 0.3"):
        counts.check(0.3, "pictures")
    with pytest.raises(QualityError, match="please report"):
        counts.model_copy(update={"read": 9}).check(1.0, "pictures")


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"data\.pictures: expected a folder"):
        take_pictures(products(["a.png"]), open_folder("none", tmp_path), tmp_path, tmp_path)
