"""The connection to MLflow: its client with bounded waits, its errors as ReleaseError, batches, artifact stores."""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from components.errors import ReleaseError
from components.redact import redact
from components.release import local_database
from components.release.records import LoggedDataset
from components.release.runs import Point
from components.settings import Settings

ENVIRONMENT = {  # by default MLflow waits over a minute for an unreachable server, and two hours for a database
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class MlflowConnection:
    """The client of one tracking server or database, opened on first use; MLflow's errors become ReleaseError."""

    def __init__(self, settings: Settings) -> None:
        """settings: resolved."""
        self.settings = settings

    @cached_property
    def client(self) -> Any:
        """Return MLflow's client, whose waits are bounded."""
        for key, value in ENVIRONMENT.items():
            os.environ.setdefault(key, value)
        from mlflow.store.db import utils
        from mlflow.tracking import MlflowClient

        utils.MAX_RETRY_COUNT = 3  # no setting for it; the default of ten takes 100 s without a message
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.ERROR)
        uri = self.settings.tracking_uri
        local_database.prepare(uri, self.settings.home / "mlflow-artifacts")
        try:
            return MlflowClient(tracking_uri=uri, registry_uri=uri)
        except (ValueError, ImportError) as error:  # not an address, or the database's driver is not installed
            raise ReleaseError(f"registry at {uri}: {error}; correct CAROUSEL_TRACKING_URI") from None

    @contextmanager
    def translate_errors(self) -> Iterator[type[Any]]:
        """Raise errors of MLflow, its database or the network as ReleaseError; yield MLflow's exception class."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield MlflowException
        except (MlflowException, SQLAlchemyError, OSError) as error:
            first = next(iter(redact(str(error)).strip().splitlines()), "")[:300]  # redacted before it is cut
            where = self.settings.tracking_uri
            raise ReleaseError(f"registry at {where}: {type(error).__name__}: {first}; nothing was promoted") from error

    def log_batch(self, run_id: str, points: Sequence[Point], params: Mapping[str, str]) -> None:
        """Log the values and parameters in one request."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value, step in points]
        self.client.log_batch(run_id, metrics, [Param(name, value) for name, value in params.items()])

    def log_dataset(self, run_id: str, dataset: LoggedDataset) -> None:
        """Log the data set as an input of the run, under the context "training"."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        entity = Dataset(
            dataset.name,
            dataset.digest,
            source_type="dvc",
            source=json.dumps(dataset.source),
            profile=json.dumps(dataset.profile),
        )
        self.client.log_inputs(run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])])

    def artifact_location(self) -> str | None:
        """Return the folder of artifacts beside a local database; None: the server decides."""
        local = local_database.path_of(self.settings.tracking_uri)
        return (self.settings.home / "mlflow-artifacts").as_uri() if local else None

    def artifact_repository(self, uri: str) -> Any:
        """Return MLflow's access to the files below a URI, local, on the server or in an object store."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(uri, tracking_uri=self.settings.tracking_uri)

    def is_empty(self) -> bool:
        """Return whether the registry is a local database that does not exist yet; reading does not create it."""
        return local_database.is_missing(self.settings.tracking_uri)
