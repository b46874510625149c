# `make demo`: the whole pipeline on this machine, in a ZenML of its own when the user is logged in to a remote server.
set -euo pipefail

if ! python -m stacks.apply local --check 2>/dev/null; then
    # A dead server that a user is logged in to must not be asked anything, and a live one must not be filled with a demo.
    for name in "${!ZENML_STORE_@}"; do unset "$name"; done
    export ZENML_CONFIG_PATH="$PWD/.zenml"
    trap 'echo "ZenML here is connected to a remote server, so this demo has a ZenML of its own; in your shell, first";
          echo "  export ZENML_CONFIG_PATH=$ZENML_CONFIG_PATH"' EXIT
fi
python -m stacks.apply local
python run.py --config local.yaml
