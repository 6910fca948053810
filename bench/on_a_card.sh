#!/usr/bin/env bash
# One prepared run for a GPU, nine minutes at most: bench/on_a_card.sh [FOLDER]
#
# Prints its tables as it goes and writes JSON into FOLDER (on_a_card by default). What is in there already is not run
# again, so that an interrupted run is resumed by the same command. It needs no network: packages that the machine lacks
# are installed from ./wheels, filled on another machine with
#   pip download -d wheels --no-deps diffusers peft bitsandbytes accelerate pydantic-settings nvidia-ml-py
# PATIENCE=10 multiplies the limits of its steps, for a busy machine.
# Without a GPU the same steps run tiny sizes, which shows that they work and nothing about speed.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-on_a_card} python=${PYTHON:-python} budget=${BUDGET_SECONDS:-540} patience=${PATIENCE:-1}
mkdir -p "$out"
failed=0

if [ -d wheels ]; then
  for name in diffusers peft bitsandbytes accelerate pydantic_settings pynvml; do
    "$python" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$name') is None)" ||
      "$python" -m pip install -q --no-index --no-deps --find-links wheels "${name//pynvml/nvidia-ml-py}"
  done
fi

# step NAME SECONDS COMMAND...: runs a command that prints JSON, within its time and what is left of the whole
step() {
  local name=$1 limit=$(($2 * patience)) left=$((budget - SECONDS)); shift 2
  echo "== $name ($SECONDS s)"
  if [ -s "$out/$name.json" ]; then
    echo "done before"
  elif [ "$left" -lt 5 ]; then
    echo "left out: no time left"; return
  elif timeout $((limit < left ? limit : left)) "$@" >"$out/$name.part" 2>"$out/$name.log"; then
    mv "$out/$name.part" "$out/$name.json"
  else
    echo "failed with $?; the last line: $(tail -n 1 "$out/$name.log")"; failed=1
    [ -s "$out/$name.part" ] && "$python" -m bench.card table "$out/$name.part"
    return
  fi
  "$python" -m bench.card table "$out/$name.json"
}

step environment 60 "$python" -m bench.card environment
step equality 90 "$python" -m bench.card equality
for precision in auto fp8 int8 nf4; do
  step "plan-$precision" 90 "$python" -m bench.gpu --profile qwen-image-edit-2511 --precision "$precision" --json
done
step levers 300 "$python" -m bench.levers --json-lines --steps 4 --no-default
exit $failed
