#!/usr/bin/env bash
# What a competent user would script today: rounds of lm-eval and trl, without this project.
#
#   benchmarks/scripted_loop.sh WORK ROUNDS
#
# WORK holds what `python benchmarks/loop.py --prepare-only --out WORK` writes: the base model, lm-eval tasks of the dev,
# test and guard items and of each round's sample of train items, and general rows. Times go to WORK/times.tsv.
# benchmarks/loop.py calls this and compares it with `harness iterate` on the same items.
#
# It is meant to be a strong opponent. What it does better than a first draft would:
#   - the best batch size, not the default of 1, which takes five times as long;
#   - float32 said outright: "auto" could pick what the weights are stored in;
#   - adapters merged before they are evaluated, which is a third quicker than peft= beside the base;
#   - one lm_eval process a round: it evaluates the candidate on dev and mines the next round's failures at once, and the
#     base's test and guard ride along with its dev, so that starting and loading are paid as rarely as can be;
#   - only what is needed is logged, no network is asked, and nothing is downloaded;
#   - training without checkpointing, in fp32, grouped by length, four rows at a time (benchmarks/training.py finds it).
# There is no gate: the adapter goes on from the last round, and the round with the best dev is asked the test at the end.
set -euo pipefail

work=$(realpath "$1")
rounds=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python}
batch=${BATCH:-64}   # of lm_eval; the quickest of 16, 32 and 64 in benchmarks/evaluation.py
micro=${MICRO:-4}    # rows that trl runs at a time; the quickest in benchmarks/training.py
rows=${ROWS:-224}    # training rows a round, as in the recipe auto
step=${STEP:-16}     # rows of an optimiser step, likewise
rate=${RATE:-1e-3}   # likewise
warmup=${WARMUP:-0}
seed=${SEED:-0}
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false

: > "$work/times.tsv"

timed() { # timed ROUND PHASE COMMAND...
  local round=$1 phase=$2 begun
  shift 2
  begun=$EPOCHREALTIME
  if ! "$@" > "$work/log.txt" 2>&1; then
    tail -n 40 "$work/log.txt" >&2
    exit 1
  fi
  printf '%s\t%s\t%s\n' "$round" "$phase" "$(awk "BEGIN { print $EPOCHREALTIME - $begun }")" >> "$work/times.tsv"
}

ask() { # ask ROUND PHASE MODEL OUT TASKS
  timed "$1" "$2" "$python" -m lm_eval run --model hf --device cpu \
    --model_args "pretrained=$3,dtype=float32" --batch_size "$batch" \
    --include_path "$work/tasks" --tasks "$5" --apply_chat_template \
    --log_samples --output_path "$4"
}

ask 0 evaluate "$work/base" "$work/0/eval" "loop_dev,loop_test,loop_guard,loop_mine_1"
best=0
best_dev=-1
for ((round = 1; round <= rounds; round++)); do
  last=$((round - 1))
  mkdir -p "$work/$round"
  timed "$round" pick "$python" "$here/scripted_pick.py" --samples "$work/$last/eval" --tasks "__mine_${round}_" \
    --general "$work/general.jsonl" --rows "$rows" --seed "$((seed + round))" --out "$work/$round/rows.jsonl"
  goes_on=()
  if ((last > 0)); then goes_on=(--adapter "$work/$last/adapter"); fi
  timed "$round" train "$python" "$here/scripted_train.py" --model "$work/base" --rows "$work/$round/rows.jsonl" \
    --out "$work/$round" --batch "$step" --micro "$micro" --rate "$rate" --warmup "$warmup" \
    --seed "$((seed + round))" "${goes_on[@]}"
  tasks=loop_dev
  if ((round < rounds)); then tasks="loop_dev,loop_mine_$((round + 1))"; fi
  ask "$round" evaluate "$work/$round/merged" "$work/$round/eval" "$tasks"
  dev=$("$python" "$here/scripted_pick.py" --samples "$work/$round/eval" --tasks __dev_ --accuracy)
  echo "round $round: dev $dev" >&2
  if awk "BEGIN { exit !($dev > $best_dev) }"; then best=$round best_dev=$dev; fi
  for ((old = 1; old < round; old++)); do # 538 MB each
    if ((old != best)); then rm -rf "$work/$old/merged"; fi
  done
done
ask "$rounds" final "$work/$best/merged" "$work/final" "loop_test,loop_guard"
echo "$best" > "$work/best"
