#!/usr/bin/env bash
# All that has to be measured on a GPU, in under nine minutes, with no network: parity, then times.
#
#   benchmarks/gpu.sh             python3 with torch, triton, numba, xarray, scipy, matplotlib
#   DRY_RUN=1 benchmarks/gpu.sh   tiny, on a CPU, kernels interpreted: does everything run?
#
# Writes speed_gpu.json and two drawings to $OUT, or to benchmarks/results and docs/figures.
# What python3 lacks is taken from wheels in $WHEELS (build/wheels). To get them, with a network:
#   python3 -m pip download --no-deps --only-binary=:all: --dest build/wheels array-api-compat \
#     cf-xarray flexcache flexparser global-land-mask pint platformdirs
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
wheels=${WHEELS:-build/wheels}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
begin=$SECONDS

if compgen -G "$wheels/*.whl" >/dev/null; then
  $python -m pip install -q --no-index --no-deps --target "$scratch/site" "$wheels"/*.whl || exit
fi
export PYTHONPATH="$PWD:$PWD/kernels:$scratch/site${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
needed='array_api_compat cf_xarray global_land_mask numba pint scipy torch triton xarray'
found='import sys; from importlib.util import find_spec as f; sys.exit(not all(map(f, sys.argv[1:])))'
$python -c "$found" $needed || { echo "gpu.sh needs $needed: see its head for wheels"; exit 1; }
# a package called tests elsewhere would hide ours, which has no __init__.py
if ! $python -c "$found" tests.kernels.samples 2>/dev/null; then
  mkdir "$scratch/shadow" && cp -r tests "$scratch/shadow" && touch "$scratch/shadow/tests/__init__.py"
  export PYTHONPATH="$scratch/shadow:$PYTHONPATH"
fi

if [ -n "${DRY_RUN:-}" ]; then
  export TRITON_INTERPRET=${TRITON_INTERPRET-1} CUDA_VISIBLE_DEVICES=
  threads=${THREADS:-1}
  measure=(--tiny --device cpu --threads "$threads")
  result=${OUT:-build/speed}/speed_gpu_dry.json
  drawings=${OUT:-build/speed}
  parity=(-m benchmarks.speed.parity --small)
else
  nvidia-smi --query-gpu=name,driver_version,clocks.sm,temperature.gpu --format=csv,noheader || exit
  threads=${THREADS:-$(nproc)}
  measure=(--device cuda --threads "$threads" --minutes 5.5)
  result=${OUT:-benchmarks/results}/speed_gpu.json
  drawings=${OUT:-docs/figures}
  parity=(-m benchmarks.speed.parity --device cuda)
  if $python -c 'import pytest, hypothesis' 2>/dev/null; then
    many=$($python -c 'import xdist' 2>/dev/null && echo '-n 4')
    parity=(-m pytest -q --no-header -p no:cacheprovider -p no:benchmark ${many:-} tests/kernels)
    parity+=(-k "triton and not interpreted")
  fi
fi

echo "== parity"
timeout 110 $python "${parity[@]}" >"$scratch/parity.log" 2>&1
parity_status=$?
tail -n 25 "$scratch/parity.log"
echo "== times ($((SECONDS - begin)) s so far)"
timeout 400 $python -m benchmarks.speed "${measure[@]}" --keep-going --out "$result" \
  --figures "$drawings" >"$scratch/tables.md" 2>"$scratch/progress.log"
speed_status=$?
if [ -n "${OUT:-}" ]; then
  cp "$scratch"/{parity.log,tables.md,progress.log} "$OUT"
fi
tail -n 12 "$scratch/progress.log"
tail -n 60 "$scratch/tables.md"
echo "parity: exit $parity_status; times: exit $speed_status; $((SECONDS - begin)) s; $result"
[ "$parity_status" -eq 0 ] && [ "$speed_status" -eq 0 ]
