"""Evidently's own interface on the drift reports of all shops: `python -m components.monitoring.ui --home .carousel`.

Each shop is a project; its dashboard shows the distance of each column over time, and the share of drifted columns.
"""

import argparse
import os
import warnings
from pathlib import Path
from typing import Any

from components.monitoring.snapshots import WORKSPACE, project_id
from components.monitoring.windows import COLUMNS

TAB = "Drift"
SHARE, DISTANCE = "DriftedColumnsCount", "ValueDrift"  # Evidently's metrics
TITLES = {"price_log": "price (logarithm)", "item_new": "share of new items"}  # of columns whose name says too little


def make_projects(home: Path) -> list[str]:
    """Make the project and the dashboard of each shop that has snapshots; return the shops. A project is made once."""
    from evidently.sdk.models import ProjectModel
    from evidently.ui.workspace import Workspace

    folder = home / WORKSPACE
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(path.name for path in (home / "shops").glob("*") if (folder / str(project_id(path.name))).is_dir())
    missing = [name for name in names if not (folder / str(project_id(name)) / "metadata.json").is_file()]
    if missing:
        workspace = Workspace.create(str(folder))
        for name in missing:
            about = "Drift of the newest days against the champion's training window, by run"
            project = workspace.add_project(ProjectModel(id=project_id(name), name=name, description=about))
            for panel in panels():
                project.dashboard.add_panel(panel, tab=TAB)
            project.save()
    return names


def panels() -> list[Any]:
    """Return the panels of a dashboard."""
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import bar_plot_panel, line_plot_panel

    share = PanelMetric(legend="share", metric=SHARE, metric_labels={"value_type": "share"})
    every = [_distance(name) for name in COLUMNS]
    return [
        line_plot_panel("Distance by column", every, "each column has a limit of its own"),
        bar_plot_panel("Share of drifted columns", [share]),  # a line of one value, or of equal ones, has 0 on its axis
        *(line_plot_panel(TITLES.get(name, name), [_distance(name)], size="half") for name in COLUMNS),
    ]


def _distance(name: str) -> Any:
    from evidently.sdk.models import PanelMetric

    return PanelMetric(legend=name, metric=DISTANCE, metric_labels={"column": name})


def main() -> None:
    """Make the projects and serve until the process is ended."""
    parser = argparse.ArgumentParser(description="Evidently's interface on the drift reports of all shops")
    parser.add_argument("--home", type=Path, required=True, help="CAROUSEL_HOME")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    arguments = parser.parse_args()
    os.environ.setdefault("DO_NOT_TRACK", "1")
    warnings.simplefilter("ignore")  # of third-party code, at import
    make_projects(arguments.home)
    from evidently.ui.service.app import run_local

    run_local(host=arguments.host, port=arguments.port, workspace=str(arguments.home / WORKSPACE))


if __name__ == "__main__":
    main()
