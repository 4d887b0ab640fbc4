"""A small shop in two languages."""

from pathlib import Path

import numpy as np
import pytest

from components.contracts import Catalogue
from components.params import SearchParams, load

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def params() -> SearchParams:
    return load(ROOT / "params.yaml").search


@pytest.fixture
def catalogue() -> Catalogue:
    title = ["", "Red teapot", "Blue teapot", "Paint brush", "Red screwdriver", "红茶壶", "蓝色茶壶"]
    embedding = np.array([[0, 0], [1, 0], [0.9, 0.44], [0, 1], [0.1, 0.99], [0.98, 0.2], [0.8, 0.6]], np.float32)
    return Catalogue(
        item_id=["", *(f"p{i}" for i in range(1, 7))],
        title=title,
        text=[t and f"{t}, a gift" for t in title],
        brand=["", "Acme", "Bolt", "Bolt", "Bolt", "", ""],
        category=["", "Kitchen > Tea", "Kitchen > Tea", "Tools", "Tools", "厨房", "厨房"],
        language=["", "en", "en", "en", "en", "zh", "zh"],
        price=np.arange(7, dtype=np.float32),
        embedding=embedding,
    )
