#!/bin/sh
# Make the virtual environment of `make demo`; with the argument "test", add what `make test` needs.
set -eu

python="${PYTHON:-python3}"
venv="${VENV:-.venv}"

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "audio-chain needs Python 3.11 or newer; $python is $("$python" --version)." >&2
    echo "Name another one: make demo PYTHON=/path/to/python3.11" >&2
    exit 2
}
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

if [ "${1:-}" = test ]; then
    pip install --quiet --prefer-binary --editable '.[test,lint]'
    # openai-whisper asks for triton, a gigabyte that only its GPU code uses, and tinysoundfont for
    # pyaudio, to play aloud: here both do without.
    pip install --quiet --no-deps 'openai-whisper>=20250625' 'tinysoundfont>=0.3.6'
    exit
fi

"$python" -m venv "$venv"
# Without an NVIDIA GPU the CPU build of torch will do; an index that has one serves it for this
# range. With a GPU, the newest build.
if command -v nvidia-smi >/dev/null 2>&1; then
    torch='torch>=2.9'
else
    torch='torch>=2.9,<2.14'
fi
pip install --quiet --upgrade 'pip>=25'
pip install --quiet --prefer-binary "$torch"
pip install --quiet --prefer-binary --editable .
