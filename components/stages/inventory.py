"""Stage `inventory`: demand of each product, and what to order -> applications/inventory, reports/inventory."""

from __future__ import annotations

import logging
from pathlib import Path

from components.applications.inventory.forecasting import make_record, run_inventory
from components.applications.inventory.published import write_plan
from components.applications.inventory.report import write_report
from components.applications.record import FOLDER, write_application
from components.params import Params
from components.stages.run import find_data_root, stage

log = logging.getLogger("inventory")


def forecast_inventory(root: Path, params: Params, data_root: Path) -> None:
    """Write the plan, the report and, last, the record. data_root: where the relative path of the stock starts."""
    run = run_inventory(root / "data/snapshot", params.data.as_of, params.inventory, data_root, params.seed)
    record = make_record(run, params.data.simulated)
    if run.plan is not None:
        write_plan(root / FOLDER / "inventory", run.plan)
    write_report(root / "reports/inventory", run, record)
    write_application(root, record)


def main() -> None:
    """Forecast in the current folder; nothing where the application is disabled."""
    with stage("inventory", "applications/inventory", "reports/inventory") as params:
        if params.inventory.enabled:
            forecast_inventory(Path(), params, find_data_root(params))
        else:
            log.info("inventory.enabled is false: nothing is made")


if __name__ == "__main__":
    main()
