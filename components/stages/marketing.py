"""Stage `marketing`: snapshot and campaigns -> applications/marketing, reports/marketing."""

import logging
from pathlib import Path

from components.applications.marketing.make import NAME, make_marketing
from components.applications.publish import find_published
from components.settings import Settings
from components.stages.run import find_data_root, stage

log = logging.getLogger(NAME)


def main() -> None:
    """Make the application in the current folder, from the segments in use; nothing where it is disabled."""
    with stage(NAME, f"applications/{NAME}", f"reports/{NAME}") as params:
        if not params.marketing.enabled:
            log.info("marketing.enabled is false: nothing is made")
            return
        published = find_published(Settings().resolved(Path.cwd()).shop(params.release.name), NAME)
        record = make_marketing(Path(), params, find_data_root(params), published)
        for reason in record.reasons:
            log.info("ships %s: %s", record.ships, reason)


if __name__ == "__main__":
    main()
