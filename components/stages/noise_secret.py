"""The secret of the noise that protects users; only stages that learn with noise read it."""

from pathlib import Path

from components.params import Params
from components.privacy.noise import KEY_FILE, VARIABLE
from components.settings import Settings
from components.tombstones import load_key


def noise_secret(params: Params) -> bytes:
    """Return the shop's secret, from the environment or a file in its folder, which is made where it is missing."""
    settings = Settings().resolved(Path.cwd())
    return load_key(settings.shop(params.release.name) / KEY_FILE, settings.noise_secret, VARIABLE)
