#!/usr/bin/env bash
# Makes a virtual environment and installs locked packages into it: setup.sh VENV LOCK...
# pip's own configuration decides where packages come from (PIP_INDEX_URL, PIP_FIND_LINKS, pip.conf).
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$1
shift
supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))'

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3; do
        if "$candidate" -c "$supported" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "No Python 3.11 or 3.12 was found. Install one (Debian 12: apt install python3 python3-venv)," >&2
    echo "or name it: make setup PYTHON=/path/to/python3.11" >&2
    return 1
}

make_venv() {
    local python
    python=$(find_python)
    echo "Making a virtual environment in $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" 2>/dev/null && return
    # Debian keeps ensurepip in python3-venv; a pip of the system can stand in for it.
    "$python" -m venv --clear --without-pip "$venv"
    "$python" -m pip --python "$venv/bin/python" install --quiet pip 2>/dev/null && return
    rm -rf "$venv"
    echo "This Python can make no virtual environment with pip. Debian: apt install python3-venv" >&2
    return 1
}

# The index's own Linux build of torch carries CUDA. Say so before some gigabytes are fetched.
announce_torch() {
    local pin report
    pin=$(grep '^torch==' requirements/worker.lock)
    "$venv/bin/python" -c "import sys, importlib.metadata as m; sys.exit('torch==' + m.version('torch').split('+')[0] != '$pin')" 2>/dev/null && return
    report=$("$venv/bin/python" -m pip install --quiet --dry-run --no-deps --ignore-installed --report - "$pin" 2>/dev/null) || return 0
    if grep -qE '(\+|%2B)cpu' <<<"$report"; then
        echo "torch: a CPU build is offered ($pin); no CUDA packages will be downloaded"
    else
        echo "****************************************************************************************"
        echo "* torch: only a build with CUDA is offered ($pin). It brings about 3 GB of downloads."
        echo "* Without a GPU a CPU build is enough: stop with Ctrl-C, set PIP_FIND_LINKS (or"
        echo "* PIP_EXTRA_INDEX_URL) to a place with CPU wheels, as pytorch.org names it, and start again."
        echo "****************************************************************************************"
        [ -t 0 ] && sleep 8
    fi
    return 0
}

"$venv/bin/python" -c "$supported" 2>/dev/null && "$venv/bin/python" -m pip --version >/dev/null 2>&1 || make_venv

arguments=()
for lock in "$@"; do
    arguments+=(--requirement "requirements/$lock.lock")
    [ "$lock" = worker ] && announce_torch
done
echo "Installing packages: $*"
# Not compiled: most modules are never imported, and the others are compiled at their first import.
"$venv/bin/python" -m pip install --disable-pip-version-check --no-compile "${arguments[@]}" \
    2> >(grep --line-buffered -v '^WARNING: Location' >&2) |
    { grep --line-buffered -E '^ *(Downloading|Building|Installing|Successfully|ERROR)' || true; } | cut -c1-150
if [[ " $* " == *" worker "* ]]; then
    "$venv/bin/python" -c 'import torch; print(f"torch {torch.__version__}:", f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build")'
fi
