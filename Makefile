# Two commands do everything: `make retrain` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3
BIN := .venv/bin
# of setuptools: folders of the checkout go before those of packages, which is what an editable installation is for
PIP_INSTALL := PYTHONWARNINGS='ignore:Editable installation' $(BIN)/python -m pip install --quiet --constraint constraints.txt
PARALLEL ?= --numprocesses logical --maxprocesses 8
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export DO_NOT_TRACK = 1
export DVC_NO_ANALYTICS = 1
export MLFLOW_DISABLE_TELEMETRY = true
unexport PYTHONDONTWRITEBYTECODE  # else each of some hundred processes compiles our modules anew

.PHONY: install retrain test test-slow lint docs serve ui stack stack-stop compose clean

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(PIP_INSTALL) --editable '.[dev]'
	touch $@

retrain: install  ## one whole loop: data, training, evaluation, verdict; the first champion is promoted explicitly
	@$(BIN)/carousel retrain --bootstrap; code=$$?; \
	case $$code in 0|2|3) exit 0;; *) exit $$code;; esac

test: install  ## a process per core, side by side
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL)

test-slow: install  ## whole pipelines, real servers, kill -9 sweeps: up to minutes each
	$(BIN)/python -m pytest -m slow $(PARALLEL)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: install  ## docs/cli.md, docs/http-api.md and the tables of CHANGELOG.md, from the code
	$(BIN)/python -m infra.docs.reference

serve: install  ## the champion on http://127.0.0.1:8000
	$(BIN)/carousel serve

ui: install  ## Prefect on http://127.0.0.1:4200 with all deployments, MLflow on :5000, Evidently on :8001, the service on :8000
	infra/ui.sh

stack: install  ## what infra/compose.yaml brings up, as plain processes on loopback: PostgreSQL, MLflow, Prefect, worker, service
	$(PIP_INSTALL) --editable '.[servers]'
	infra/stack.sh start

stack-stop:
	infra/stack.sh stop

compose:  ## the whole of it in containers, on a machine with Docker
	infra/secrets.sh .carousel/secrets.env
	docker compose --env-file .carousel/secrets.env --file infra/compose.yaml up --build --detach --wait

clean:  ## what runs wrote below the checkout: neither other files in these folders, nor registry and caches in .carousel
	rm -rf features profiles bundle champion applications data/snapshot data/quarantine data/split
	rm -rf $(addprefix models/,language simple sequence ranker hybrid incumbent completed)
	rm -rf $(addprefix reports/,ingest split pretrain encode profile fit finetune rank blend incumbent complete evaluate drift ads inventory marketing summary history curve backtest decision.json)
	rm -rf $(addprefix run/,params.yaml sources.json applications code.json recipe moment.json decided.json timings tensorboard retrain pretrain finetune) \
		$(addprefix run/,incumbent search ann)
	rm -rf $(addprefix data/raw/,products.jsonl.gz events/events_*.csv.gz reviews.jsonl.gz searches.csv.gz ads.csv ad_log.parquet truth)
	-@rmdir data/raw/events data/raw data models reports run 2>/dev/null || true
