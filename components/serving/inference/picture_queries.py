"""Pictures that are searched for: from base64 to a vector beside those of the products."""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import Self

from components.contracts import FloatArray
from components.data.picture_folders import BrokenPictureError
from components.data.pictures import decode, to_png
from components.errors import ContractError
from components.modalities.encoder import PictureEncoder
from components.modalities.vectors import PICTURE, Projection, read_projection
from components.serving.inference.errors import MissingPartError, PictureError

URL_SAFE = str.maketrans("-_", "+/")
MAX_PIXELS = 4_000_000  # of a picture that a request holds: its decoding takes some 50 ms


class PictureQueries:
    """The encoder of the products' pictures, and the projection of their vectors."""

    def __init__(self, encoder: PictureEncoder, projection: Projection) -> None:
        self.encoder, self.projection = encoder, projection
        self._lock = threading.Lock()  # one picture at a time: torch's threads are shared by the process

    @classmethod
    def of(cls, bundle: Path) -> Self:
        """Return that of a bundle; raises MissingPartError where it, or the encoder's package, is missing."""
        projection = read_projection(bundle, PICTURE)
        if projection is None:
            raise MissingPartError("the champion knows no pictures of products; set data.pictures and retrain")
        try:
            return cls(PictureEncoder.load(), projection)
        except ContractError as error:
            raise MissingPartError(str(error)) from None

    def vector(self, image: str) -> FloatArray:
        """Return (dims,) the unit vector of a picture in base64 (see `content_of`); raises PictureError."""
        try:
            png = to_png(decode(content_of(image), MAX_PIXELS))
        except BrokenPictureError as error:
            raise PictureError(str(error)) from None
        with self._lock:
            vector: FloatArray = self.projection.apply(self.encoder.encode([png]))[0]
        return vector


def content_of(image: str) -> bytes:
    """Return the bytes of base64, of its URL-safe form (padded or not), or of a data URI; raises PictureError."""
    header, comma, rest = image.strip().partition(",")
    if comma and not (header.lower().startswith("data:") and header.lower().endswith(";base64")):
        raise PictureError("not base64, nor a data URI such as data:image/png;base64,...")
    text = (rest if comma else header).strip().rstrip("=").translate(URL_SAFE)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:  # also for text that is not ASCII
        raise PictureError("not base64") from None
