"""Paths, addresses and secrets of this machine: read from the environment, here and nowhere else."""

import logging
import os
import re
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from components.errors import ParamsError

log = logging.getLogger(__name__)


class Settings(BaseSettings):
    """Addresses of this machine. `CAROUSEL_HOME=/srv/carousel` sets `home`, and so on."""

    model_config = SettingsConfigDict(env_prefix="CAROUSEL_", frozen=True, extra="ignore")

    home: Path = Path(".carousel")  # registry, DVC remote, caches, locks, workspaces; shops/NAME: ledger
    bundle_cache: Path | None = None  # bundles of this machine's service; None: in the shop's folder below home
    data_root: Path | None = None  # base of relative source paths; empty: the checkout
    tracking_uri: str = Field(default="", repr=False)  # MLflow; empty: SQLite under home
    mlflow_url: str = "http://127.0.0.1:5000"  # address of MLflow's pages, for links on run pages
    prefect_url: str = "http://127.0.0.1:4200"  # address of Prefect's pages, for links on the service's page
    # such as http://shop:8000; a promotion waits until it serves the version; empty: no wait
    service_url: str = Field(default="", repr=False)
    admin_token: SecretStr | None = None  # for the service's admin routes; None: they are disabled
    read_token: SecretStr | None = None  # for all other routes of the service but the probes; None: they are open
    signing_key: SecretStr | None = None  # signs decisions; several, separated by commas: the first signs, all verify
    event_store_url: SecretStr | None = None  # PostgreSQL for users' events, for all replicas; none: a file under home
    state_url: SecretStr | None = None  # the name of event_store_url in version 0.1
    erasure_key: SecretStr | None = None  # key of the tombstones of deleted users; none: a file below home
    noise_key: SecretStr | None = None  # secret of the noise that protects users; none: a file below home
    params: str = ""  # overlay files on params.yaml, separated by ":"
    overrides: str = ""  # `a.b=c` lines on top, as `--set` gives them

    def resolved(self, root: Path) -> "Settings":
        """Return the settings with absolute folders, relative ones being below `root` (the checkout)."""
        home = (root / self.home).resolve()
        uri = self.tracking_uri or f"sqlite:///{home / 'mlflow.db'}"
        cache = (root / self.bundle_cache).resolve() if self.bundle_cache else None
        return self.model_copy(update={"home": home, "tracking_uri": uri, "bundle_cache": cache})

    @field_validator("mlflow_url", "prefect_url")
    @classmethod
    def without_password(cls, url: str) -> str:
        """Return the address without user and password: links are stored, and a browser asks for them."""
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @model_validator(mode="after")
    def warn_of_deprecated_names(self) -> Self:
        """Log which variables have a new name."""
        if self.state_url is not None:
            log.warning("CAROUSEL_STATE_URL is deprecated: set CAROUSEL_EVENT_STORE_URL instead")
        return self

    @property
    def event_store_address(self) -> str | None:
        """Return the address of the event store's database, as libpq reads it; None where it is a file."""
        url = self.event_store_url or self.state_url
        return _reveal(url)

    @property
    def overlays(self) -> list[Path]:
        """Return the overlay files of `params`."""
        return [Path(part) for part in self.params.split(":") if part]

    @property
    def override_lines(self) -> list[str]:
        """Return the lines of `overrides`."""
        return [line for line in self.overrides.splitlines() if line.strip()]

    @property
    def erasure_secret(self) -> str | None:
        """Return the key of the tombstones; None where it is in a file."""
        return _reveal(self.erasure_key)

    @property
    def noise_secret(self) -> str | None:
        """Return the secret of private training; None where it is in a file."""
        return _reveal(self.noise_key)

    def shop(self, name: str) -> Path:
        """Return the folder of one registered model (release.name): ledger, last verdicts, served bundle."""
        return self.home / "shops" / name

    def bundles(self, name: str) -> Path:
        """Return the folder of the bundles that the service of one registered model has fetched."""
        return self.bundle_cache / name if self.bundle_cache else self.shop(name) / "serving"


def _reveal(secret: SecretStr | None) -> str | None:
    """Return the text; None where there is none, or an empty one."""
    return secret.get_secret_value() or None if secret else None


def private_umask() -> int:
    """Return the rights that files below home do not give, from CAROUSEL_UMASK: by default all but the owner's.

    Raises ParamsError where it is no octal number, or would take rights from the owner.
    """
    text = os.environ.get("CAROUSEL_UMASK", "077")
    if not re.fullmatch("0{0,2}[0-7]{2}", text):
        raise ParamsError(f"CAROUSEL_UMASK: expected octal digits such as 077 or 027, got {text!r}")
    return int(text, 8)
