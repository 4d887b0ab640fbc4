#!/usr/bin/env bash
# What infra/compose.yaml brings up, as plain processes on loopback: PostgreSQL from the system's packages, MLflow,
# Prefect and the service's state on PostgreSQL, a worker, the service. Not the object store, Prometheus and Grafana: artifacts go to a folder.
#
#   infra/stack.sh start | stop | status
#
# environment: CAROUSEL_STACK (its folder; default .carousel/stack), CAROUSEL_BIN (where the programs are; default .venv/bin),
#   CAROUSEL_POSTGRES_PORT, CAROUSEL_MLFLOW_PORT, CAROUSEL_PREFECT_PORT, CAROUSEL_WORKER_PORT,
#   CAROUSEL_SERVICE_PORT
set -euo pipefail
cd "$(dirname "$0")/.."
stack="${CAROUSEL_STACK:-$PWD/.carousel/stack}"
postgres_port="${CAROUSEL_POSTGRES_PORT:-5433}"
export CAROUSEL_MLFLOW_PORT="${CAROUSEL_MLFLOW_PORT:-5000}" CAROUSEL_PREFECT_PORT="${CAROUSEL_PREFECT_PORT:-4200}"
export CAROUSEL_WORKER_PORT="${CAROUSEL_WORKER_PORT:-8081}" CAROUSEL_SERVICE_PORT="${CAROUSEL_SERVICE_PORT:-8000}"
bin="${CAROUSEL_BIN:-$PWD/.venv/bin}"
names=(postgres mlflow prefect worker service) # in the order of their start

begun() { awk '{print $22}' "/proc/$1/stat" 2>/dev/null; } # when the process began: a pid alone may be another's by now

running() { # NAME: prints its pid, if it still is the process that we started
  local pid since
  read -r pid since 2>/dev/null <"$stack/pids/$1" || return 1
  [ "$(begun "$pid")" = "$since" ] && echo "$pid"
}

launch() { # NAME COMMAND...: in the background, leading a process group of its own
  local name="$1"
  shift
  setsid "$@" </dev/null >"$stack/logs/$name.log" 2>&1 &
  echo "$! $(begun $!)" >"$stack/pids/$name"
}

wait_for() { # NAME COMMAND...: until the command succeeds; ends everything where the process dies or two minutes pass
  local name="$1"
  shift
  for _ in $(seq 240); do
    if "$@" >/dev/null 2>&1; then return; fi
    running "$name" >/dev/null || break
    sleep 0.5
  done
  echo "$name does not answer; the end of $stack/logs/$name.log:" >&2
  tail -20 "$stack/logs/$name.log" >&2
  stop
  exit 1
}

stop() {
  local index name pid half
  for ((index = ${#names[@]} - 1; index >= 0; index--)); do
    name="${names[index]}"
    if pid="$(running "$name")"; then
      if [ "$name" = postgres ]; then kill -INT "$pid"; else kill -TERM -- "-$pid"; fi
      for half in $(seq 60); do
        running "$name" >/dev/null || break
        # Prefect's worker with a health check ends at the second word only
        if [ "$half" = 8 ] && [ "$name" = worker ]; then kill -TERM -- "-$pid"; fi
        sleep 0.5
      done
      if running "$name" >/dev/null; then kill -KILL -- "-$pid"; fi
      echo "stopped $name ($pid)"
    fi
    rm -f "$stack/pids/$name"
  done
}

need() { # PROGRAM PACKAGE: installs it where we may, else says what to do
  command -v "$1" >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $2"
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$2" >"$stack/logs/apt.log" 2>&1 && return
  fi
  echo "$1 is missing; install it (Debian: apt-get install $2) and try again" >&2
  exit 1
}

as_database() { # PostgreSQL refuses to run as root
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"; else "$@"; fi
}

free() { # NAME PORT
  if (: <"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then
    echo "port $2 of 127.0.0.1 is taken; end what listens there, or set another port for $1 (see infra/stack.sh)" >&2
    exit 1
  fi
}

prepare() { # folders, passwords, a new PostgreSQL cluster
  umask 022
  mkdir -p "$stack/pids" "$stack/logs" "$stack/database" "$stack/home"
  chmod 700 "$stack/pids" "$stack/logs" "$stack/home"
  if [ "$(id -u)" = 0 ] && [ "$stack" = "$PWD/.carousel/stack" ]; then chmod 711 .carousel; fi # for the user postgres
  PATH="$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1):$PATH"
  need initdb postgresql
  PATH="$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1):$PATH"
  "$bin/python" -c 'import psycopg' 2>/dev/null || {
    echo "MLflow and the event store need psycopg: $bin/python -m pip install -c constraints.txt -e '.[servers]'" >&2
    exit 1
  }
  infra/secrets.sh "$stack/secrets.env"
  set -a && . "$stack/secrets.env" && set +a
  [ "$(id -u)" != 0 ] || chown postgres "$stack/database"
  as_database test -w "$stack/database" || {
    echo "the user postgres cannot reach $stack; set CAROUSEL_STACK to a folder that it can, or do not run this as root" >&2
    exit 1
  }
}

start_databases() {
  local data="$stack/database/postgres"
  if ! as_database test -f "$data/PG_VERSION"; then
    echo "$POSTGRES_PASSWORD" | as_database bash -c 'umask 077; cat >"$1"' - "$stack/database/password"
    as_database initdb --pgdata "$data" --username postgres --pwfile "$stack/database/password" \
      --auth scram-sha-256 --encoding UTF8 --locale C.UTF-8 >"$stack/logs/initdb.log" 2>&1 || { cat "$stack/logs/initdb.log" >&2; exit 1; }
    as_database rm "$stack/database/password"
    touch "$stack/databases.missing"
  fi
  export PGHOST=127.0.0.1 PGPORT="$postgres_port" PGPASSWORD="$POSTGRES_PASSWORD"
  local -a root=()
  [ "$(id -u)" != 0 ] || root=(setpriv --reuid=postgres --regid=postgres --init-groups --)
  launch postgres "${root[@]}" postgres -D "$data" -p "$postgres_port" -c listen_addresses=127.0.0.1 -c unix_socket_directories=
  wait_for postgres psql --username postgres --command 'SELECT 1'
  if [ -f "$stack/databases.missing" ]; then infra/databases.sh && rm "$stack/databases.missing"; fi
  unset PGPASSWORD
}

write_environment() { # what the command line needs to work with this stack: `. .carousel/stack/env`
  (
    umask 077
    cat >"$stack/env" <<EOF
export CAROUSEL_HOME='$stack/home'
export CAROUSEL_TRACKING_URI='http://127.0.0.1:$CAROUSEL_MLFLOW_PORT'
export CAROUSEL_MLFLOW_URL='http://127.0.0.1:$CAROUSEL_MLFLOW_PORT'
export CAROUSEL_SERVICE_URL='http://127.0.0.1:$CAROUSEL_SERVICE_PORT'
export CAROUSEL_ADMIN_TOKEN='$ADMIN_TOKEN'
export CAROUSEL_EVENT_STORE_URL='postgresql://state:$STATE_DB_PASSWORD@127.0.0.1:$postgres_port/state'
export PREFECT_API_URL='http://127.0.0.1:$CAROUSEL_PREFECT_PORT/api'
export PREFECT_API_AUTH_STRING='carousel:$PREFECT_PASSWORD'
EOF
  )
  . "$stack/env"
}

start() {
  local name pid
  for name in "${names[@]}"; do
    if pid="$(running "$name")"; then
      echo "$name runs already ($pid); \`make stack-stop\` ends the stack" >&2
      exit 1
    fi
  done
  free CAROUSEL_POSTGRES_PORT "$postgres_port"
  for name in MLFLOW PREFECT WORKER SERVICE; do
    local port="CAROUSEL_${name}_PORT"
    free "$port" "${!port}"
  done
  prepare
  start_databases
  write_environment
  MLFLOW_BACKEND_STORE_URI="postgresql+psycopg://mlflow:$MLFLOW_DB_PASSWORD@127.0.0.1:$postgres_port/mlflow" \
    MLFLOW_ARTIFACTS_DESTINATION="$stack/home/artifacts" MLFLOW_CRYPTO_KEK_PASSPHRASE="$MLFLOW_KEY_PASSPHRASE" \
    launch mlflow infra/run.sh mlflow
  PREFECT_SERVER_DATABASE_CONNECTION_URL="postgresql+asyncpg://prefect:$PREFECT_DB_PASSWORD@127.0.0.1:$postgres_port/prefect" \
    PREFECT_SERVER_API_AUTH_STRING="$PREFECT_API_AUTH_STRING" PREFECT_HOME="$stack/home/prefect-server" launch prefect infra/run.sh prefect
  wait_for mlflow infra/run.sh answers "$CAROUSEL_TRACKING_URI/health"
  wait_for prefect infra/run.sh answers "$PREFECT_API_URL/health"
  infra/run.sh deploy >"$stack/logs/deploy.log" 2>&1 || { tail -30 "$stack/logs/deploy.log" >&2; stop; exit 1; }
  launch worker infra/run.sh worker
  launch service infra/run.sh service
  wait_for worker infra/run.sh answers "http://127.0.0.1:$CAROUSEL_WORKER_PORT/health"
  wait_for service infra/run.sh answers "$CAROUSEL_SERVICE_URL/livez"
  status
  echo "a champion: . $stack/env && $bin/carousel retrain --bootstrap      stop: make stack-stop      logs: $stack/logs"
}

status() {
  local name pid
  for name in "${names[@]}"; do
    local port="CAROUSEL_${name^^}_PORT" scheme=http
    case "$name" in
      postgres) scheme=postgresql port=postgres_port ;;
    esac
    pid="$(running "$name")" || pid="not running"
    printf '%-10s %-28s %s\n' "$name" "$scheme://127.0.0.1:${!port}" "$pid"
  done
}

case "${1:-}" in
  start | stop | status) "$1" ;;
  *)
    echo "expected start, stop or status, got '${1:-}'" >&2
    exit 1
    ;;
esac
