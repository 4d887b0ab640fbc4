"""Where this machine keeps things: read from the environment, here and nowhere else."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Addresses of this machine. `CAROUSEL_HOME=/srv/carousel` sets `home`, and so on."""

    model_config = SettingsConfigDict(env_prefix="CAROUSEL_", frozen=True, extra="ignore")

    home: Path = Path(".carousel")  # registry, DVC remote, caches, locks, workspaces; shops/NAME: ledger
    data_root: Path | None = None  # where relative source paths start; empty: the checkout
    tracking_uri: str = ""  # MLflow; empty: SQLite under home
    mlflow_url: str = "http://127.0.0.1:5000"  # where people look at the registry: run pages link to it
    service_url: str = ""  # the live service, such as http://shop:8000; promotions ask it for proof; empty: not asked
    admin_token: SecretStr | None = None  # opens the service's admin routes; none: they stay closed
    state_url: SecretStr | None = None  # PostgreSQL for users' histories, shared by replicas; none: a file under home
    params: str = ""  # overlay files on params.yaml, separated by ":"
    overrides: str = ""  # `a.b=c` lines on top, as `--set` gives them

    def resolved(self, root: Path) -> "Settings":
        """Return the settings with `home` absolute, relative ones being below `root` (the checkout)."""
        home = (root / self.home).resolve()
        uri = self.tracking_uri or f"sqlite:///{home / 'mlflow.db'}"
        return self.model_copy(update={"home": home, "tracking_uri": uri})

    @property
    def state_address(self) -> str | None:
        """Return state_url as it is read by who connects."""
        return self.state_url.get_secret_value() or None if self.state_url else None

    def shop(self, name: str) -> Path:
        """Return where the ledger, last verdicts and served bundle of one registered model (release.name) are."""
        return self.home / "shops" / name
