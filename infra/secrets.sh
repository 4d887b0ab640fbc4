#!/usr/bin/env bash
# Write random passwords for infra/compose.yaml and `make stack` into FILE, readable by its owner only; existing values are kept.
#
#   infra/secrets.sh [FILE]        default .carousel/secrets.env
set -euo pipefail
cd "$(dirname "$0")/.."
file="${1:-.carousel/secrets.env}"
umask 077
mkdir -p "$(dirname "$file")"
touch "$file"
chmod 600 "$file"
for name in POSTGRES_PASSWORD MLFLOW_DB_PASSWORD PREFECT_DB_PASSWORD STATE_DB_PASSWORD PREFECT_PASSWORD OBJECT_STORE_PASSWORD \
  MLFLOW_KEY_PASSPHRASE GRAFANA_PASSWORD ADMIN_TOKEN; do
  grep -q "^$name=." "$file" && continue
  echo "$name=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >>"$file"
done
