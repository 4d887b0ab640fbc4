"""What an application has published, loaded once and again when another folder is in use."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from components.applications.publish import CURRENT, find_published
from components.applications.record import FOLDER
from components.errors import CarouselError
from components.serving.storage.ttl_cache import TtlCached

log = logging.getLogger("serving")
T = TypeVar("T")
CHECK_S = 2.0  # between two looks at current.json


class PublishedApplication(Generic[T]):
    """The content of one application's published folder, as `load` returns it."""

    def __init__(self, shop: Path, name: str, load: Callable[[Path], T]) -> None:
        """shop: the shop's folder below home. Nothing is read before the first call."""
        self.shop, self.name, self.load = shop, name, load
        self._lock = Lock()
        self._loaded: tuple[bytes, T] | None = None
        self._follow = TtlCached(CHECK_S, self._read)

    def __call__(self) -> T | None:
        """Return the content; None where nothing is published. Damaged or incomplete folders leave the one before."""
        with self._lock:
            return self._follow()

    def _read(self) -> T | None:
        pointer = self.shop / FOLDER / self.name / CURRENT
        try:
            content = pointer.read_bytes()
        except FileNotFoundError:
            self._loaded = None
            return None
        if self._loaded is None or self._loaded[0] != content:
            try:
                folder = find_published(self.shop, self.name)
                if folder is not None:
                    self._loaded = content, self.load(folder)
            except (CarouselError, OSError) as error:
                log.warning("%s: what was published cannot be read, the one before stays: %s", self.name, error)
        return None if self._loaded is None else self._loaded[1]
