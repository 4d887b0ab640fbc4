"""Products' pictures, as ingest takes them: decoded safely, reduced to a square, and counted.

    data/snapshot/pictures.parquet     item_id, digest of the shop's file, png: a square of SIDE pixels, RGB
    data/quarantine/pictures.parquet   quality.QUARANTINE; `row` is the number of the product in the snapshot

A product names its picture in `image`: a file below the folder data.pictures (picture_folders.py), or its bytes as a
data: URI. Nothing else is fetched from a network. Two products may name one file, which is decoded once.
"""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts import Record
from components.data.partitions import PICTURES
from components.data.picture_folders import MAX_BYTES, BrokenPictureError, PictureFolder
from components.data.quality import QuarantinedRow, write_quarantined
from components.errors import QualityError

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger("ingest")
SIDE = 128  # pixels: what encoders read
MAX_PIXELS = 50_000_000  # of a decoded picture
MAX_ASPECT = 20  # longer side to shorter: strips and counters are no pictures
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
BATCH = 1_000  # products whose pictures are in memory at once
SCHEMA = pa.schema([("item_id", pa.string()), ("digest", pa.string()), ("png", pa.binary())])


class PictureCounts(Record):
    """Number of products by what became of their picture; `read` is the sum of the others."""

    read: int
    valid: int
    quarantined: int
    absent: int  # the product names none

    def check(self, max_bad_share: float, folder: str) -> None:
        """Raise QualityError when a product was lost, or too many of the named pictures broke a rule."""
        named = self.valid + self.quarantined
        if named + self.absent != self.read:
            raise QualityError(f"pictures: {self.read} products, {named + self.absent} accounted for; please report it")
        if self.quarantined > max_bad_share * named:
            raise QualityError(
                f"pictures: {self.quarantined} of {named} broke a rule, more than data.max_bad_pictures "
                f"{max_bad_share}; see data/quarantine/pictures.parquet, and check data.pictures {folder}"
            )


@dataclass(frozen=True)
class Thumbnail:
    """A picture as it is kept."""

    digest: str  # sha256 of the shop's file
    png: bytes


def take_pictures(products: pa.Table, folder: PictureFolder, snapshot: Path, quarantine: Path) -> PictureCounts:
    """Decode the pictures of the products (columns item_id and image) and write both files; return the counts.

    Raises ContractError where the folder does not exist.
    """
    folder.check()
    found: Counter[str] = Counter()
    broken: list[QuarantinedRow] = []
    with pq.ParquetWriter(snapshot / PICTURES, SCHEMA, compression="none", write_page_checksum=True) as writer:
        for batch in _batches(products, folder, found, broken):
            writer.write_table(batch)
    write_quarantined(broken, quarantine / PICTURES)
    counts = PictureCounts(
        read=products.num_rows, valid=found["valid"], quarantined=len(broken), absent=found["absent"]
    )
    log.info("pictures: %s", ", ".join(f"{n} {name}" for name, n in counts.model_dump().items()))
    return counts


def _batches(
    products: pa.Table, folder: PictureFolder, found: Counter[str], broken: list[QuarantinedRow]
) -> Iterator[pa.Table]:
    """Yield the kept pictures in the order of the products; count and list the others."""
    known = dict[str, Thumbnail | str]()
    rows: list[tuple[str, str, bytes]] = []
    for number, (item_id, image) in enumerate(
        zip(products["item_id"].to_pylist(), products["image"].to_pylist(), strict=True), start=1
    ):
        if not image:
            found["absent"] += 1
            continue
        result = known.get(image) or _outcome(image, folder)
        known[image] = result
        if isinstance(result, str):
            shown = image if len(image) <= 200 else f"{image[:200]}..."
            broken.append((folder.name, number, result, f"{item_id}: {shown}"))
        else:
            found["valid"] += 1
            rows.append((item_id, result.digest, result.png))
        if len(rows) >= BATCH:
            yield _table(rows)
            rows, known = [], {}
    yield _table(rows)


def _table(rows: list[tuple[str, str, bytes]]) -> pa.Table:
    return pa.Table.from_arrays([pa.array([row[i] for row in rows], SCHEMA.types[i]) for i in range(3)], schema=SCHEMA)


def _outcome(image: str, folder: PictureFolder) -> Thumbnail | str:
    try:
        content = picture_bytes(image, folder)
        return Thumbnail(hashlib.sha256(content).hexdigest(), to_png(decode(content)))
    except BrokenPictureError as error:
        return str(error)


def picture_bytes(image: str, folder: PictureFolder) -> bytes:
    """Return the bytes that `image` names or holds; raises BrokenPictureError."""
    if not image.startswith("data:"):
        return folder.read(image)
    head, _, body = image.partition(",")
    if not head.endswith(";base64"):
        raise BrokenPictureError("a data: URI without ;base64")
    if len(body) > MAX_BYTES * 4 // 3 + 4:
        raise BrokenPictureError(f"more than {MAX_BYTES} bytes")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:  # also for text that is not ASCII
        raise BrokenPictureError("a data: URI that is not base64") from None


def decode(content: bytes, max_pixels: int = MAX_PIXELS) -> Image:
    """Return the picture as RGB, upright, on white where it is transparent; raises BrokenPictureError.

    Sizes are checked before pixels are decoded; of an animation the first frame is taken.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about damaged metadata
            opened = Image.open(io.BytesIO(content), formats=FORMATS)
            width, height = opened.size
            if width * height > max_pixels:
                raise BrokenPictureError(f"more than {max_pixels} pixels")
            if max(width, height) > MAX_ASPECT * min(width, height):
                raise BrokenPictureError(f"more than {MAX_ASPECT} times as long as wide")
            opened.draft("RGB", (2 * SIDE, 2 * SIDE))  # JPEG: decode no more than is needed
            opened.load()
            upright = ImageOps.exif_transpose(opened)
            with_alpha = upright.convert("RGBA")
    except UnidentifiedImageError:
        raise BrokenPictureError(f"not a picture of {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:  # of Pillow's own limit, before ours
        raise BrokenPictureError(f"more than {max_pixels} pixels") from None
    except BrokenPictureError:
        raise
    except Exception as error:
        raise BrokenPictureError(f"damaged ({type(error).__name__})") from None
    flat = Image.new("RGBA", with_alpha.size, "white")
    flat.alpha_composite(with_alpha)
    return flat.convert("RGB")


def to_png(picture: Image) -> bytes:
    """Return the picture as a PNG of SIDE x SIDE pixels, with white margins."""
    from PIL import Image, ImageOps

    square = ImageOps.pad(picture, (SIDE, SIDE), Image.Resampling.BICUBIC, color="white")
    out = io.BytesIO()
    square.save(out, "PNG", compress_level=6)
    return out.getvalue()
