#!/usr/bin/env bash
# Create a role and a database each for MLflow, Prefect and the service, once, on a new PostgreSQL cluster.
#
# environment: MLFLOW_DB_PASSWORD, PREFECT_DB_PASSWORD, STATE_DB_PASSWORD, and where the cluster is, as psql reads it
#   (PGHOST, PGPORT, PGPASSWORD)
set -euo pipefail
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv mlflow MLFLOW_DB_PASSWORD
\getenv prefect PREFECT_DB_PASSWORD
\getenv state STATE_DB_PASSWORD
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE ROLE prefect LOGIN PASSWORD :'prefect';
CREATE ROLE state LOGIN PASSWORD :'state';
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE prefect OWNER prefect;
CREATE DATABASE state OWNER state;
REVOKE ALL ON DATABASE mlflow, prefect, state, postgres FROM PUBLIC;
SQL
