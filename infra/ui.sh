#!/usr/bin/env bash
# Prefect (http://127.0.0.1:4200) with all deployments and a worker, MLflow (http://127.0.0.1:5000); Ctrl-C ends all.
set -euo pipefail
cd "$(dirname "$0")/.."
bin="$PWD/.venv/bin"
home="${CAROUSEL_HOME:-$PWD/.carousel}"
prefect_port="${CAROUSEL_PREFECT_PORT:-4200}"
mlflow_port="${CAROUSEL_MLFLOW_PORT:-5000}"
mkdir -p "$home"
export PATH="$bin:$PATH"
export CAROUSEL_HOME="$home" PREFECT_HOME="$home/prefect"
export PREFECT_API_URL="http://127.0.0.1:$prefect_port/api"
export PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 DVC_NO_ANALYTICS=1 MLFLOW_DISABLE_TELEMETRY=true
export PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=prefect.server.concurrency.lease_storage.filesystem
export PREFECT_RESULTS_DEFAULT_SERIALIZER=json
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false

children=()
stop() {
  trap - EXIT INT TERM
  for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
  wait || true
}
trap stop EXIT
trap 'exit 0' INT TERM

prefect server start --host 127.0.0.1 --port "$prefect_port" >"$home/prefect-server.log" 2>&1 &
children+=($!)
if [ "${CAROUSEL_MLFLOW_UI:-1}" = 1 ]; then
  mlflow server --host 127.0.0.1 --port "$mlflow_port" --workers 1 \
    --backend-store-uri "sqlite:///$home/mlflow.db" --artifacts-destination "$home/mlflow-artifacts" \
    >"$home/mlflow-server.log" 2>&1 &
  children+=($!)
fi

for _ in $(seq 120); do
  if curl --silent --fail "$PREFECT_API_URL/health" >/dev/null; then break; fi
  sleep 1
done
curl --silent --fail "$PREFECT_API_URL/health" >/dev/null || { tail -20 "$home/prefect-server.log"; exit 1; }

prefect work-pool create carousel --type process --overwrite >/dev/null
prefect --no-prompt deploy --all >"$home/prefect-deploy.log" 2>&1 || { tail -30 "$home/prefect-deploy.log"; exit 1; }
prefect worker start --pool carousel --name local >"$home/prefect-worker.log" 2>&1 &
children+=($!)
echo "Prefect  http://127.0.0.1:$prefect_port   deployments: nightly, manual, monitor, promote, rollback"
[ "${CAROUSEL_MLFLOW_UI:-1}" = 1 ] && echo "MLflow   http://127.0.0.1:$mlflow_port   models: see Model registry"
echo "logs in $home; Ctrl-C ends everything"
wait -n
