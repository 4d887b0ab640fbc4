#!/usr/bin/env bash
# Run one program in the foreground; used by the containers, `make stack` and `make ui`.
#
#   infra/run.sh prefect | deploy | worker | mlflow | evidently | service      infra/run.sh run COMMAND...
#   infra/run.sh answers URL
#
# run: the command of one flow run, in a clone of CAROUSEL_REPOSITORY; a Job of infra/kubernetes
#
# environment: CAROUSEL_HOME (where state goes; default .carousel), CAROUSEL_BIN (where the programs are; default .venv/bin),
#   CAROUSEL_BIND (address to listen on; default 127.0.0.1), CAROUSEL_PREFECT_PORT, CAROUSEL_MLFLOW_PORT,
#   CAROUSEL_EVIDENTLY_PORT, CAROUSEL_SERVICE_PORT, CAROUSEL_WORKER_PORT (port of the worker's health check; default: none),
#   CAROUSEL_BUCKET (created in the object store before MLflow starts; default: none),
#   CAROUSEL_REPOSITORY (worker and run work in a clone of it; default: this checkout),
#   CAROUSEL_CHECKOUT (folder of that clone, the same for worker and run; default: checkout in CAROUSEL_HOME),
#   CAROUSEL_DVC_CACHE, CAROUSEL_DVC_REMOTE (of that clone; default: as in .dvc/config),
#   CAROUSEL_POOL (process or kubernetes: where runs are executed; default process), CAROUSEL_IMAGE, CAROUSEL_NAMESPACE (of its Jobs),
#   and the variables of Prefect, MLflow and boto3 (PREFECT_*, MLFLOW_*, AWS_*); secrets are never arguments
set -euo pipefail
umask "${CAROUSEL_UMASK:-077}"
cd "$(dirname "$0")/.."
export PATH="${CAROUSEL_BIN:-$PWD/.venv/bin}:$PATH"
if [ "${1:-}" = answers ]; then
  exec python -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)' "${2:?a URL}" 2>/dev/null
fi
infra="$PWD/infra"
home="${CAROUSEL_HOME:-$PWD/.carousel}"
mkdir -p "$home/prefect"
home="$(cd "$home" && pwd)"
bind="${CAROUSEL_BIND:-127.0.0.1}"
export CAROUSEL_HOME="$home" PREFECT_HOME="${PREFECT_HOME:-$home/prefect}"
export PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 DVC_NO_ANALYTICS=1 MLFLOW_DISABLE_TELEMETRY=true
export PREFECT_RESULTS_DEFAULT_SERIALIZER=json PREFECT_LOGGING_EXTRA_LOGGERS=components,flows
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false
# concurrency leases survive a restart of the server; heartbeats detect killed runs, whose slot is then freed
export PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=prefect.server.concurrency.lease_storage.filesystem
export PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30

clone() { # resets the clone to the newest commit; ignored files such as the DVC cache stay
  local folder="${CAROUSEL_CHECKOUT:-$home/checkout}"
  [ -d "$folder/.git" ] || git clone --quiet --no-hardlinks "$CAROUSEL_REPOSITORY" "$folder"
  git -C "$folder" fetch --quiet origin HEAD
  git -C "$folder" reset --quiet --hard FETCH_HEAD
  cd "$folder"
  if [ -n "${CAROUSEL_DVC_CACHE:-}" ]; then # workspaces take both from here, as components/release/versioning.py writes them
    printf '[cache]\n    dir = %s\n    type = reflink,copy\n' "$CAROUSEL_DVC_CACHE" >.dvc/config.local
    printf "['remote \"local\"']\n    url = %s\n" "${CAROUSEL_DVC_REMOTE:?the clone is not kept, so snapshots need a remote}" >>.dvc/config.local
  fi
}

pool="${CAROUSEL_POOL:-process}"
deploy() {
  local template=()
  if [ "$pool" = kubernetes ]; then
    sed "s|CAROUSEL_IMAGE|${CAROUSEL_IMAGE:?}|; s|CAROUSEL_NAMESPACE|${CAROUSEL_NAMESPACE:?}|" infra/kubernetes/pool.json >"$home/pool.json"
    template=(--base-job-template "$home/pool.json")
  fi
  prefect work-pool create carousel --type "$pool" "${template[@]}" --overwrite
  prefect --no-prompt deploy --all
  prefect --no-prompt automation delete "crash silent runs" || true # else it would exist twice
  prefect automation create --from-file infra/automations.yaml
}

case "${1:-}" in
  deploy | worker | run) if [ -n "${CAROUSEL_REPOSITORY:-}" ]; then clone; fi ;;
esac
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

case "${1:-}" in
  prefect) exec prefect server start --host "$bind" --port "${CAROUSEL_PREFECT_PORT:-4200}" ;;
  deploy) deploy ;;
  worker)
    if [ -n "${CAROUSEL_REPOSITORY:-}" ]; then deploy; fi
    health=()
    if [ -n "${CAROUSEL_WORKER_PORT:-}" ]; then
      export PREFECT_WORKER_WEBSERVER_HOST="$bind" PREFECT_WORKER_WEBSERVER_PORT="$CAROUSEL_WORKER_PORT"
      health=(--with-healthcheck)
    fi
    exec prefect worker start --pool carousel --type "$pool" --name local "${health[@]}"
    ;;
  run) exec "${@:2}" ;;
  mlflow)
    if [ -n "${CAROUSEL_BUCKET:-}" ]; then python "$infra/bucket.py" "$CAROUSEL_BUCKET"; fi
    exec mlflow server --host "$bind" --port "${CAROUSEL_MLFLOW_PORT:-5000}" --workers 1
    ;;
  evidently)
    exec python -m components.monitoring.ui --home "$home" --host "$bind" --port "${CAROUSEL_EVIDENTLY_PORT:-8001}"
    ;;
  service) exec python -m flows.cli serve --set "serving.host=$bind" --set "serving.port=${CAROUSEL_SERVICE_PORT:-8000}" ;;
  *)
    echo "expected prefect, deploy, worker, mlflow, evidently, service, run COMMAND or answers URL, got '${1:-}'" >&2
    exit 1
    ;;
esac
