#!/usr/bin/env bash
# Make a virtual environment with everything mmocc needs, or bring one up to
# date. Ends at once when nothing changed since the last run.
#
#   bash tools/install.sh
#
# Environment variables:
#   PYTHON         interpreter to start from; default: the first of python3.11,
#                  python3.12, python3 that is 3.11 or 3.12
#   VENV           folder of the virtual environment; default: .venv
#   TORCH_SPEC     what pip is asked for; default: torch==2.13.0. pip's own
#                  configuration decides between CPU and CUDA builds.
#   MMCV_CUDA_OPS  auto (default): CUDA ops where there is a GPU (or
#                  TORCH_CUDA_ARCH_LIST) and a CUDA toolkit of torch's major
#                  version; 1: insist; 0: CPU ops. No model of mmocc needs
#                  mmcv's CUDA ops.
#   MAX_JOBS       compiler processes while mmcv is built
#   PIP_FIND_LINKS pip's own: folders with prebuilt wheels, such as mmcv's
#
# Works in any active environment as well (a container, conda):
#   VENV=$VIRTUAL_ENV PYTHON=python bash tools/install.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${VENV:-.venv}
torch_spec=${TORCH_SPEC:-torch==2.13.0}
cuda_ops=${MMCV_CUDA_OPS:-auto}
stamp=$venv/.mmocc-stamp
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '[install] %s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

supported() { # PROGRAM: runs, and is Python 3.11 or 3.12
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in
        ((3, 11), (3, 12)))' 2>/dev/null
}

choose_python() {
    if [[ -n ${PYTHON:-} ]]; then
        supported "$PYTHON" || die "PYTHON=$PYTHON is not a working Python" \
            '3.11 or 3.12; point PYTHON at one'
        python=$PYTHON
        return
    fi
    for python in python3.11 python3.12 python3 python; do
        supported "$python" && return
    done
    die 'no Python 3.11 or 3.12 found; install one (python3.11 and its venv' \
        'and dev packages), or set PYTHON=/path/to/python'
}

fingerprint() { # of all that decides what gets installed
    cat requirements/*.txt pyproject.toml mmocc/version.py tools/install.sh
    printf '%s\n' "$torch_spec" "$cuda_ops" "$PWD"
    if [[ -n ${PYTHON:-} ]]; then
        "$python" --version
    fi
}

make_venv() {
    if supported "$venv/bin/python" && [[ -z ${PYTHON:-} ||
        $("$venv/bin/python" --version) == $("$python" --version) ]]; then
        return
    fi
    say "virtual environment in $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" || die 'could not make a virtual' \
        "environment; on Debian and Ubuntu install python3-venv"
}

pip_install() { "$venv/bin/python" -m pip install -q "$@"; }

in_venv() { "$venv/bin/python" "$@"; }

# Whether mmcv's CUDA ops can be built: torch is a CUDA build, nvcc has the
# same major version, and it is known which GPU to compile for.
can_build_cuda_ops() {
    local torch_cuda nvcc_cuda
    torch_cuda=$(in_venv -c \
        'import torch; print((torch.version.cuda or "none").split(".")[0])')
    nvcc_cuda=$({ "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" --version ||
        nvcc --version; } 2>/dev/null |
        sed -n 's/.*release \([0-9]*\)\..*/\1/p' | head -n 1)
    [[ $torch_cuda == "${nvcc_cuda:-absent}" ]] || return 1
    [[ -n ${TORCH_CUDA_ARCH_LIST:-} ]] || in_venv -c \
        'import sys, torch; sys.exit(not torch.cuda.is_available())'
}

# mmcv's compiled ops load beside this torch and give a right answer.
mmcv_ops_work() { # [cuda]: compiled for CUDA as well
    in_venv - "${1:-cpu}" >/dev/null 2>&1 <<'PY'
import sys

import torch
from mmcv.ops import get_compiling_cuda_version, nms

boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 8], [20, 20, 29, 29]])
_, keep = nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)
cuda = get_compiling_cuda_version() != 'not available'
sys.exit(keep.tolist() != [0, 2] or (sys.argv[1] == 'cuda' and not cuda))
PY
}

check_compiler() {
    command -v "${CXX:-c++}" >/dev/null || command -v g++ >/dev/null ||
        die 'mmcv is built from source and no C++ compiler was found;' \
            'install g++ (Debian: build-essential), or give a folder with a' \
            'prebuilt mmcv wheel in PIP_FIND_LINKS'
    in_venv -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
        die 'Python.h is missing, which building mmcv needs; install the' \
            'development package of your Python (Debian: python3-dev)'
}

# Build with FORCE_CUDA=$1. pip may answer with a wheel from its cache that
# belongs to another torch; then build afresh.
build_mmcv() {
    local device=cpu fresh=(--force-reinstall --no-binary mmcv --no-cache-dir)
    if [[ $1 == 1 ]]; then
        device=cuda
    fi
    (
        # A visible GPU would make mmcv's setup ask for nvcc.
        [[ $1 == 1 ]] || export CUDA_VISIBLE_DEVICES=
        export MMCV_WITH_OPS=1 FORCE_CUDA=$1 MAX_JOBS=${MAX_JOBS:-$(nproc)}
        pip_install --no-build-isolation --no-deps "$mmcv" || exit 1
        mmcv_ops_work "$device" && exit 0
        pip_install --no-build-isolation --no-deps "${fresh[@]}" "$mmcv" ||
            exit 1
        mmcv_ops_work "$device"
    )
}

install_mmcv() {
    local device=cpu
    mmcv=$(grep '^mmcv==' requirements/mminstall.txt)
    if [[ $cuda_ops == 1 ]] ||
        { [[ $cuda_ops == auto ]] && can_build_cuda_ops; }; then
        device=cuda
    fi
    mmcv_ops_work "$device" && return
    pip_install --no-deps --only-binary mmcv "$mmcv" 2>/dev/null || true
    mmcv_ops_work "$device" && return

    check_compiler
    if [[ $device == cuda ]]; then
        say "building $mmcv with CUDA ops"
        build_mmcv 1 && return
        [[ $cuda_ops == auto ]] || die "the CUDA build of $mmcv failed;" \
            'MMCV_CUDA_OPS=0 builds the CPU ops, which is all mmocc needs'
        say 'the CUDA build failed, falling back to the CPU ops'
    fi
    say "building $mmcv with CPU ops (about 9 minutes on 2 cores)"
    build_mmcv 0 || die "$mmcv could not be built, see above"
}

choose_python
mkdir -p "$venv"
if command -v flock >/dev/null; then
    exec 9>"$venv.lock"
    flock 9
fi

wanted=$(fingerprint | cksum)
if [[ -x $venv/bin/python && $(cat "$stamp" 2>/dev/null) == "$wanted" ]]; then
    exit 0
fi
rm -f "$stamp"
make_venv

say "$torch_spec"
grep -E '^(numpy|setuptools)' requirements/runtime.txt >"$venv/first.txt"
pip_install -r "$venv/first.txt" wheel ninja "$torch_spec"

say 'mmocc and what it runs on'
# torch stays the one just chosen, whatever the other packages ask for.
in_venv -c 'from importlib.metadata import version
print("torch==" + version("torch"))' >"$venv/torch.txt"
pip_install -c "$venv/torch.txt" -r requirements/runtime.txt \
    -r requirements/tests.txt

say 'OpenMMLab'
grep -v '^mmcv' requirements/mminstall.txt >"$venv/mminstall.txt"
pip_install --no-deps -r "$venv/mminstall.txt"
install_mmcv

# opencv-python shares a folder with the headless build and may have come in
# by another way: only one of them may stay.
if in_venv -m pip show -q opencv-python 2>/dev/null; then
    in_venv -m pip uninstall -q -y opencv-python
    pip_install --force-reinstall --no-deps \
        "$(grep '^opencv-python-headless' requirements/runtime.txt)"
fi

pip_install --no-build-isolation --no-deps -e .

in_venv tools/doctor.py --quiet || die 'tools/doctor.py found a problem, see' \
    'above'
printf '%s\n' "$wanted" >"$stamp"
say "ready: $venv"
