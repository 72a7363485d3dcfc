#!/usr/bin/env bash
# Builds the images without a container daemon and without an image registry, as root on Debian 12:
#   docker/build.sh [web] [worker] [stores]        all of them without arguments
# The base image is made by mmdebstrap. Packages come from where this machine's own apt and pip get them.
# With a registry at hand, an ordinary `docker build --file docker/web.Dockerfile .` does the same.
#   GLMR_IMAGES   folder of the base image, the wheels and the layers (/var/tmp/glmr-images). It is kept, so
#                 that the next build is quick. Remove it to start afresh.
#   APT_SOURCES   file that names the sources of apt; by default the first one found on this machine
#   PYTHON        a Python 3.11 with pip, which fetches the wheels
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${GLMR_IMAGES:-/var/tmp/glmr-images}
images=("$@")
[ ${#images[@]} -gt 0 ] || images=(web worker stores)

fail() {
    echo "Error: $1" >&2
    exit 1
}

say() { printf '%s  %s\n' "$(date +%T)" "$1"; }

check_tools() {
    local tool missing=()
    [ "$(id -u)" -eq 0 ] || fail "mmdebstrap and buildah need root here. Run this as root, or use docker build."
    for tool in buildah mmdebstrap; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    [ ${#missing[@]} -eq 0 ] || fail "not installed: ${missing[*]}. Run: apt-get install ${missing[*]}"
    "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
        fail "$python is not Python 3.11, so its wheels do not fit the images. Name another: PYTHON=/path/to/python3.11"
}

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} .venv/bin/python python3.11 python3; do
        "$candidate" -m pip --version >/dev/null 2>&1 && echo "$candidate" && return
    done
    echo python3
}

make_folder() {
    mkdir -p "$folder"
    [ "$(stat --format %u "$folder")" = 0 ] || fail "$folder does not belong to root. Choose another: GLMR_IMAGES=/path"
    chmod 0700 "$folder"
}

# Overlay is quick and small, but not every kernel and file system has it. vfs copies each layer.
storage_driver() {
    local try="$folder/overlay-try" driver=vfs
    mkdir -p "$try"/{lower,upper,work,merged}
    if mount -t overlay overlay -o "lowerdir=$try/lower,upperdir=$try/upper,workdir=$try/work" "$try/merged" 2>/dev/null; then
        umount "$try/merged"
        driver=overlay
    fi
    rm -rf "$try"
    echo "$driver"
}

in_storage() {
    local command=$1
    shift
    buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver "$(cat "$folder/driver")" "$command" "$@"
}

apt_sources() {
    local file
    for file in ${APT_SOURCES:+"$APT_SOURCES"} /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
        [ -s "$file" ] && echo "$file" && return
    done
    fail "no sources of apt were found. Name a file that lists them: APT_SOURCES=/path"
}

make_base() {
    in_storage inspect --type image localhost/glmr-base >/dev/null 2>&1 && return
    local sources
    sources=$(apt_sources)
    say "Making the base image: Debian 12 with Python 3.11"
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,python-is-python3,ca-certificates \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        bookworm "$folder/base.tar" "$sources"
    printf 'FROM scratch\nADD base.tar /\nCMD ["bash"]\n' >"$folder/base.Dockerfile"
    in_storage build --quiet --isolation chroot --format docker --ignorefile /dev/null \
        --file "$folder/base.Dockerfile" --tag localhost/glmr-base "$folder" >/dev/null
    rm "$folder/base.tar"
}

# The wheels of an image, so that its build asks no package index.
fetch_wheels() {
    local image=$1 lock arguments=() wheels="$folder/wheels/$1"
    shift
    for lock in "$@"; do
        arguments+=(--requirement "requirements/$lock")
    done
    (cd requirements && cmp --silent <(cat "$@") "$wheels/locks") && return
    say "Fetching the packages of the $image image"
    mkdir -p "$wheels"
    "$python" -m pip wheel --quiet --disable-pip-version-check --find-links "$wheels" --wheel-dir "$wheels" \
        "${arguments[@]}" 2> >(grep -v '^WARNING: Location' >&2)
    (cd requirements && cat "$@") >"$wheels/locks"
}

build() {
    local image=$1 file=$2
    say "Building the $image image"
    in_storage build --quiet --isolation chroot --format docker --layers --pull-never \
        --build-arg BASE_IMAGE=localhost/glmr-base --build-arg PIP_NO_INDEX=1 --build-arg PIP_FIND_LINKS=/wheels \
        --volume "$folder/wheels/$image:/wheels:ro" --file "$file" --tag "localhost/glmr-$image" . >/dev/null
}

report() {
    local image
    for image in "${images[@]}"; do
        in_storage images --noheading --format "{{.Name}}  {{.Size}}" "localhost/glmr-$image"
    done
}

python=$(find_python)
check_tools
make_folder
exec 9>"$folder/lock"
flock --nonblock 9 || fail "another build or trial uses $folder. Wait for its end, or choose another folder: GLMR_IMAGES=/path"
[ -f "$folder/driver" ] || storage_driver >"$folder/driver"
make_base
for image in "${images[@]}"; do
    case $image in
        web) fetch_wheels web web.lock docs.lock && build web docker/web.Dockerfile ;;
        worker) fetch_wheels worker worker.lock && build worker docker/worker.Dockerfile ;;
        stores) fetch_wheels stores embedded.lock && build stores docker/try/stores.Dockerfile ;;
        *) fail "there is no image called $image. Choose from web, worker and stores." ;;
    esac
done
report
