#!/usr/bin/env bash
# CI for a pull request: run the pipeline on a small shop with the base revision, whose model becomes the champion, then
# with the change. Writes comment.md and exits with the code of the verdict (0, 2 or 3).
#
#   infra/ci/pipeline.sh [BASE_REVISION]        environment: PYTHON (default python), CAROUSEL_CI_FOLDER (default .carousel/ci)
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"
base="${1:-}"
python="${PYTHON:-python}"
folder="${CAROUSEL_CI_FOLDER:-$PWD/.carousel/ci}"
overlay="$PWD/infra/ci/params.yaml"
rm -rf "$folder"
mkdir -p "$folder"
export CAROUSEL_HOME="$folder/home"

run() { # folder, output file, further arguments
  (cd "$1" && "$python" -m flows.cli retrain --params "$overlay" --json "${@:3}") >"$2" || code=$?
}

git clone --quiet . "$folder/change"
champion="$folder/change"
if [ -n "$base" ] && git cat-file -e "$base:flows/retrain.py" 2>/dev/null; then
  champion="$folder/base"
  git clone --quiet --no-checkout . "$champion"
  git -C "$champion" checkout --quiet --detach "$(git rev-parse "$base")"
fi
code=0
run "$champion" "$folder/base.json" --bootstrap
if [ "$code" = 1 ]; then
  cat "$folder/base.json"
  exit 1
fi
if [ "$champion" = "$folder/change" ]; then
  cp "$folder/base.json" "$folder/change.json"
else
  code=0
  run "$folder/change" "$folder/change.json"
fi
"$python" infra/ci/comment.py "$folder/change.json" "$folder/change" >"$folder/comment.md"
cat "$folder/comment.md"
exit "$code"
