#!/usr/bin/env bash
# All GPU measurements in under nine minutes, without a network: parity, then times.
#
#   benchmarks/gpu.sh             python3 with torch, triton, numba, xarray, scipy, matplotlib
#   SECONDS_ALL=300 ...           in less time: what matters most is measured first
#   DRY_RUN=1 benchmarks/gpu.sh   tiny shapes on a CPU with interpreted kernels: checks that all steps run
#
# Writes speed_gpu.json and two figures to $OUT, or to benchmarks/results and docs/figures.
# Missing packages are installed from wheels in $WHEELS (build/wheels). To download them, with a network:
#   python3 -m pip download --no-deps --only-binary=:all: --python-version 3.12 --dest build/wheels \
#     array-api-compat cf-xarray flexcache flexparser global-land-mask pint platformdirs \
#     pytest hypothesis iniconfig pluggy pygments packaging sortedcontainers execnet pytest-xdist \
#     flashrnn ocnn spconv-triton
# Without pytest and hypothesis, parity is checked by benchmarks.speed.parity_gate only.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
wheels=${WHEELS:-build/wheels}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
begin=$SECONDS
all=${SECONDS_ALL:-525}

export PYTHONPATH="$PWD:$PWD/kernels:$scratch/site${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
needed='array_api_compat cf_xarray global_land_mask numba pint scipy torch triton xarray'
all_found='import sys; from importlib.util import find_spec as f; sys.exit(not all(map(f, sys.argv[1:])))'
missing() { # MODULES...: prints those that python cannot import
  $python -c 'import sys; from importlib.util import find_spec as f
print(*[name for name in sys.argv[1:] if f(name) is None])' "$@"
}
install_missing() { # MODULES...: from the wheels
  local names
  names=$(missing "$@")
  # shellcheck disable=SC2086
  [ -z "$names" ] || $python -m pip install -q --no-index --no-deps --find-links "$wheels" \
    --target "$scratch/site" $names
}
if compgen -G "$wheels/*.whl" >/dev/null; then
  install_missing array_api_compat cf_xarray flexcache flexparser global_land_mask pint platformdirs
  install_missing pytest hypothesis iniconfig pluggy pygments packaging sortedcontainers
  install_missing execnet xdist flashrnn ocnn spconv_triton # other implementations, each optional
fi
[ -z "$(missing $needed)" ] || {
  echo "gpu.sh needs $(missing $needed): see its first lines for wheels"
  exit 1
}
# an installed package called tests would hide ours, which has no __init__.py
if ! $python -c "$all_found" tests.kernels.samples 2>/dev/null; then
  mkdir "$scratch/shadow" && cp -r tests "$scratch/shadow" && touch "$scratch/shadow/tests/__init__.py"
  export PYTHONPATH="$scratch/shadow:$PYTHONPATH"
fi

names=()
pids=()
start() { # NAME ARGUMENTS: python in the background
  timeout 150 $python "${@:2}" >"$scratch/$1.log" 2>&1 &
  names+=("$1")
  pids+=($!)
}
finish() { # wait for all background processes; 1 where one failed
  local status=0
  for i in "${!pids[@]}"; do
    local lines=2
    wait "${pids[i]}" || { status=1 lines=25 && echo "${names[i]}: failed"; }
    tail -n "$lines" "$scratch/${names[i]}.log"
  done
  names=() pids=()
  return "$status"
}

if [ -n "${DRY_RUN:-}" ]; then
  export TRITON_INTERPRET=${TRITON_INTERPRET-1} CUDA_VISIBLE_DEVICES=
  threads=${THREADS:-1}
  measure=(--tiny --device cpu --threads "$threads")
  result=${OUT:-build/speed}/speed_gpu_dry.json
  figures=${OUT:-build/speed}
  small=(--small --device cpu)
  precisions=(bfloat16)
else
  command -v nvidia-smi >/dev/null || {
    echo "no NVIDIA GPU here (nvidia-smi is missing): nothing is measured. DRY_RUN=1 $0 runs all steps" \
      "on small shapes on the CPU." >&2
    exit 1
  }
  nvidia-smi --query-gpu=name,driver_version,clocks.sm,temperature.gpu --format=csv,noheader || exit
  threads=${THREADS:-$(nproc)}
  measure=(--device cuda --threads "$threads")
  result=${OUT:-benchmarks/results}/speed_gpu.json
  figures=${OUT:-docs/figures}
  small=(--device cuda)
  precisions=(bfloat16 float32 tf32 float16)
fi

graph_status=0
if [ "${TRITON_INTERPRET:-0}" != 0 ] || [ -z "${DRY_RUN:-}" ]; then # the Triton kernels can run
  echo "== the network as a CUDA graph"
  for precision in "${precisions[@]}"; do # compile in the background what will be timed
    start "precompile_$precision" -m benchmarks.speed.precompile "${small[@]}" "$precision"
  done
  timeout 120 $python -m benchmarks.speed.cuda_graph_check "${small[@]}" >"$scratch/cuda_graph_check.log" 2>&1
  graph_status=$?
  tail -n 40 "$scratch/cuda_graph_check.log"
fi
echo "== parity ($((SECONDS - begin)) s so far)"
start parity -m benchmarks.speed.parity_gate "${small[@]}"
if [ -z "${DRY_RUN:-}" ] && $python -c 'import pytest, hypothesis' 2>/dev/null; then
  tests=(-m pytest -q --no-header -p no:cacheprovider -p no:benchmark -W ignore tests/kernels)
  for name in triton lstm_triton; do # for machines without a GPU
    tests+=("--ignore=tests/kernels/test_$name.py")
  done
  [ -n "$(missing xdist)" ] || tests+=(-n "$((threads < 12 ? threads : 12))") # mostly compilation
  start parity_tests "${tests[@]}" -k triton
fi
finish
parity_status=$?
echo "== recurrent ($((SECONDS - begin)) s so far)"
timeout $((all / 8)) $python -m benchmarks.speed.recurrent "${measure[@]}" --keep-going --seconds 1 \
  --out "${result/speed_gpu/recurrent_gpu}" >"$scratch/recurrent.md" 2>"$scratch/recurrent.log"
recurrent_status=$?
tail -n 40 "$scratch/recurrent.md"
left=$((all - (SECONDS - begin)))
minutes=$(((left - 30) / 6)) # in tenths; leaves time for the last measurement to end
echo "== times ($((SECONDS - begin)) s so far)"
timeout "$left" $python -m benchmarks.speed "${measure[@]}" --keep-going --out "$result" \
  --minutes "$((minutes / 10)).$((minutes % 10))" --figures "$figures" \
  >"$scratch/tables.md" 2>"$scratch/progress.log"
speed_status=$?
if [ -n "${OUT:-}" ]; then
  cp "$scratch"/*.log "$scratch/tables.md" "$OUT"
fi
tail -n 12 "$scratch/progress.log"
tail -n 70 "$scratch/tables.md"
echo "graph: exit $graph_status; parity: exit $parity_status; times: exit $speed_status;" \
  "recurrent: exit $recurrent_status;" \
  "$((SECONDS - begin)) s; $result"
[ "$graph_status" -eq 0 ] && [ "$parity_status" -eq 0 ] && [ "$speed_status" -eq 0 ]
