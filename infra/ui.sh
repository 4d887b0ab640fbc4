#!/usr/bin/env bash
# Prefect (http://127.0.0.1:4200) with all deployments and a worker, MLflow (http://127.0.0.1:5000), Evidently
# (http://127.0.0.1:8001), the service with the shop's page (http://127.0.0.1:8000); Ctrl-C ends all.
#
# environment: CAROUSEL_HOME (folder of state and logs), CAROUSEL_BIN (where the programs are; default .venv/bin),
#              CAROUSEL_PREFECT_PORT, CAROUSEL_MLFLOW_PORT, CAROUSEL_EVIDENTLY_PORT,
#              CAROUSEL_SERVICE_PORT, CAROUSEL_MLFLOW_UI=0 (Prefect alone)
set -euo pipefail
umask "${CAROUSEL_UMASK:-077}"
cd "$(dirname "$0")/.."
home="${CAROUSEL_HOME:-$PWD/.carousel}"
prefect_port="${CAROUSEL_PREFECT_PORT:-4200}"
mlflow_port="${CAROUSEL_MLFLOW_PORT:-5000}"
evidently_port="${CAROUSEL_EVIDENTLY_PORT:-8001}"
service_port="${CAROUSEL_SERVICE_PORT:-8000}"
mlflow_ui="${CAROUSEL_MLFLOW_UI:-1}"
mkdir -p "$home/prefect" "$home/logs"
home="$(cd "$home" && pwd)"
export CAROUSEL_HOME="$home" CAROUSEL_MLFLOW_URL="http://127.0.0.1:$mlflow_port"
export PREFECT_HOME="$home/prefect" PREFECT_API_URL="http://127.0.0.1:$prefect_port/api"

set -m # each child leads a process group, which ends with its own children
children=()
stop() {
  trap - EXIT INT TERM
  exec 2>/dev/null # where bash reports each job that it ends
  for child in "${children[@]}"; do kill -TERM -- "-$child" 2>/dev/null || true; done
  for _ in $(seq 40); do
    if [ -z "$(jobs -r)" ]; then break; fi
    sleep 0.5
  done
  for child in "${children[@]}"; do kill -KILL -- "-$child" 2>/dev/null || true; done
}
trap stop EXIT
trap 'exit 0' INT TERM

answers() { curl --silent --fail --max-time 5 "$1" >/dev/null; }
for address in "$PREFECT_API_URL/health" "http://127.0.0.1:$mlflow_port/health"; do
  if answers "$address"; then
    echo "$address answers already: end that server, or set CAROUSEL_PREFECT_PORT and CAROUSEL_MLFLOW_PORT" >&2
    exit 1
  fi
done

echo "starting, which takes up to a minute; logs in $home/logs"
infra/run.sh prefect >"$home/logs/prefect-server.log" 2>&1 &
children+=($!)
if [ "$mlflow_ui" = 1 ]; then
  MLFLOW_BACKEND_STORE_URI="sqlite:///$home/mlflow.db" MLFLOW_ARTIFACTS_DESTINATION="$home/mlflow-artifacts" \
    infra/run.sh mlflow >"$home/logs/mlflow-server.log" 2>&1 &
  children+=($!)
  infra/run.sh evidently >"$home/logs/evidently-server.log" 2>&1 &
  children+=($!)
  infra/run.sh service >"$home/logs/service.log" 2>&1 &
  children+=($!)
fi
for _ in $(seq 180); do
  if answers "$PREFECT_API_URL/health"; then break; fi
  sleep 1
done
answers "$PREFECT_API_URL/health" || { tail -20 "$home/logs/prefect-server.log" >&2; exit 1; }

infra/run.sh deploy >"$home/logs/prefect-deploy.log" 2>&1 || { tail -30 "$home/logs/prefect-deploy.log" >&2; exit 1; }
infra/run.sh worker >"$home/logs/prefect-worker.log" 2>&1 &
children+=($!)
echo "Prefect   http://127.0.0.1:$prefect_port   runs; all deployments, each with a form: see Deployments"
if [ "$mlflow_ui" = 1 ]; then
  echo "MLflow    http://127.0.0.1:$mlflow_port   versions: see Models"
  echo "Evidently http://127.0.0.1:$evidently_port   drift over time by column, a project for each shop"
  echo "Service   http://127.0.0.1:$service_port   the shop's page: lists, search, status; empty until a version is promoted"
fi
echo "logs in $home/logs; Ctrl-C ends everything"
wait -n
echo "a server ended by itself; see $home/logs" >&2
exit 1
