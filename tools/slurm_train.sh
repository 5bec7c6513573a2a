#!/usr/bin/env bash
# Submit to a Slurm cluster and wait.
#
#   GPUS=8 bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [options]
#
# GPUS (default 8; 0: CPU processes) and GPUS_PER_NODE, CPUS_PER_TASK, PORT and
# SRUN_ARGS (more options for srun) are read from the environment. NTASKS sets
# the number of processes where GPUS is 0.
set -euo pipefail

if [[ $# -lt 3 ]]; then
    echo "usage: bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [options]" >&2
    exit 2
fi
partition=$1
job_name=$2
config=$3
shift 3
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

gpus=${GPUS:-8}
ntasks=$gpus
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
resources=(--gres="gpu:$per_node" --ntasks-per-node="$per_node")
if [[ $gpus -eq 0 ]]; then
    ntasks=${NTASKS:-1}
    resources=()
fi
read -r -a more <<<"${SRUN_ARGS:-}"

export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
export MASTER_PORT=${PORT:-29500}
# SLURM_JOB_NODELIST exists inside the allocation only.
# shellcheck disable=SC2016
exec srun -p "$partition" --job-name="$job_name" --ntasks="$ntasks" \
    --cpus-per-task="${CPUS_PER_TASK:-4}" --kill-on-bad-exit=1 \
    "${resources[@]}" "${more[@]}" \
    bash -c 'export MASTER_ADDR=${MASTER_ADDR:-$(scontrol show hostnames \
        "$SLURM_JOB_NODELIST" | head -n 1)}; exec "$@"' _ \
    "${PYTHON:-python}" -u "$root/tools/train.py" "$config" \
    --launcher slurm "$@"
