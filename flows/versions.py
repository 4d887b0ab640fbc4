"""`carousel --version`: what results depend on."""

import platform
from importlib.metadata import PackageNotFoundError, version

from components.release.doctor import PACKAGES


def installed_versions() -> dict[str, str]:
    """Return the versions of Carousel, Python and the packages that results depend on; "none" if not installed."""
    return {"carousel": _version("carousel-mlops"), "python": platform.python_version()} | {
        name: _version(name) for name in PACKAGES
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
