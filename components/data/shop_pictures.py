"""Pictures of the simulated shop's products: colour and kind, as texts have them, and a pattern that no text names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.data.shop_world import N_PATTERNS, World
from components.params import ShopParams

SIDE = 64  # pixels
FOLDERS = 100  # files are spread over so many folders
NOISE = 12.0  # standard deviation of the noise of each pixel, of 255


def file_name(item_id: str) -> str:
    """Return the path of a product's picture below the folder of pictures."""
    return f"{int(item_id[1:]) % FOLDERS:02d}/{item_id}.png"


def write_pictures(world: World, shop: ShopParams, seed: int, folder: Path) -> NDArray[np.bool_]:
    """Write a PNG file for each product that has one; return (n_items,) which do. Without shop.pictures: none."""
    shutil.rmtree(folder, ignore_errors=True)
    n = len(world.leaf)
    if not shop.pictures:
        return np.zeros(n, bool)
    from PIL import Image

    has_picture = np.random.default_rng([seed, 5]).random(n) >= shop.missing_pictures
    for item in np.flatnonzero(has_picture).tolist():
        path = folder / file_name(f"P{item + 1:05d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = draw(int(world.pattern[item]), int(world.colour[item]), int(world.leaf[item]), [seed, 6, item])
        Image.fromarray(pixels).save(path, "PNG", compress_level=1)
    return has_picture


def draw(pattern: int, colour: int, kind: int, seed: list[int]) -> NDArray[np.uint8]:
    """Return (SIDE, SIDE, 3) pixels: a body on white, in a colour and a pattern; size, place and light vary.

    pattern: below N_PATTERNS: plain, horizontal, vertical and diagonal stripes, dots, checks.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    middle, half = rng.uniform(0.44, 0.56, 2) * SIDE, rng.uniform(0.3, 0.42, 2) * SIDE
    across, down = (x - middle[0]) / half[0], (y - middle[1]) / half[1]
    bodies = (np.abs(across) ** 4 + np.abs(down) ** 4, across**2 + down**2, np.abs(across) + np.abs(down))
    body = bodies[kind % len(bodies)] < 1
    hue = np.array([(37 * colour + 40) % 256, (91 * colour + 120) % 256, (151 * colour + 200) % 256], np.float64)
    light = 60 + 0.7 * hue * rng.uniform(0.85, 1.15)
    step, shift = rng.uniform(7, 10), rng.uniform(0, 10, 2)
    u, v = (x + shift[0]) / step, (y + shift[1]) / step
    marks = (
        np.zeros_like(x, bool),
        v % 1 < 0.45,
        u % 1 < 0.45,
        (u + v) % 1 < 0.45,
        (u % 1 - 0.5) ** 2 + (v % 1 - 0.5) ** 2 < 0.09,
        (np.floor(u) + np.floor(v)) % 2 < 1,
    )
    colours = np.where(marks[pattern % N_PATTERNS][:, :, None], 0.45 * light, light)
    pixels = np.where(body[:, :, None], colours, 255.0) + rng.normal(0, NOISE, (SIDE, SIDE, 1))
    return pixels.clip(0, 255).astype(np.uint8)
