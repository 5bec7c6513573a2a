#!/usr/bin/env bash
# One process per GPU, or per share of the cores on a machine without GPUs.
#
#   bash tools/dist_train.sh CONFIG GPUS [options of tools/train.py]
#
# Several machines: run it on each with NNODES, NODE_RANK (0 on the first),
# MASTER_ADDR (the first machine) and PORT set alike.
set -euo pipefail

if [[ $# -lt 2 ]]; then
    echo "usage: bash tools/dist_train.sh CONFIG GPUS [options]" >&2
    exit 2
fi
config=$1
gpus=$2
shift 2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node-rank="${NODE_RANK:-0}" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" \
    --master-port="${PORT:-29500}" \
    --nproc-per-node="$gpus" \
    "$root/tools/train.py" "$config" --launcher pytorch "$@"
