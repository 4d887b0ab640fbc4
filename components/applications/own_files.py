"""run/applications/NAME.json: the state of the files that an application reads besides the snapshot.

An application's stage runs again when its files change, and with equal files it does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.applications.record import APPLICATIONS, enabled_applications
from components.data.sources import fingerprint_lookups, fingerprint_sources, state_of
from components.errors import ContractError
from components.params import Params

FILES = Path("run/applications")
MISSING = "not found"


def application_files(params: Params, data_root: Path) -> dict[str, dict[str, Any]]:
    """Return name of an application -> its files' sizes and modification times; {} where it is disabled.

    data_root: where relative paths start. A missing file is in it as such: the application's stage refuses it, the
    shop's model is made all the same. The simulated shop's ads are no file of a shop: stage `ingest` writes them.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in APPLICATIONS}
    enabled = enabled_applications(params)
    if "ads" in enabled and not params.data.simulated:
        ads = params.ads
        found["ads"] = {path: _state(data_root / path) for path in (ads.source, ads.log, ads.segments) if path}
    if "inventory" in enabled and params.inventory.stock_file:
        stock = params.inventory.stock_file
        found["inventory"] = {str(stock): _state(data_root / stock)}
    if "marketing" in enabled and params.marketing.campaigns:
        try:
            campaigns = fingerprint_sources("campaigns", params.marketing.campaigns, params.data.as_of, data_root)
            found["marketing"] = campaigns | fingerprint_lookups(params.data, data_root)
        except ContractError as error:
            found["marketing"] = {"campaigns": str(error)}
    return found


def _state(path: Path) -> list[int] | str:
    return state_of(path) if path.is_file() else MISSING
