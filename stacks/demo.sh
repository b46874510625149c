# `make demo`: the whole pipeline on this machine, in a ZenML of its own when the user is logged in to a remote server.
set -euo pipefail
[ -t 1 ] || export ZENML_LOGGING_COLORS_DISABLED=true # a file or a pipe is read without colours

remote_in_the_way=3 # what `stacks.apply --check` exits with
code=0
said=$(python -m stacks.apply local --check 2>&1) || code=$?
if [ "$code" = "$remote_in_the_way" ]; then
    # A dead server that a user is logged in to must not be asked anything, and a live one must not be filled with a demo.
    for name in "${!ZENML_STORE_@}"; do unset "$name"; done
    export ZENML_CONFIG_PATH="$PWD/.zenml"
    trap 'echo "ZenML here is connected to a remote server, so this demo has a ZenML of its own; in your shell, first";
          echo "  export ZENML_CONFIG_PATH=$ZENML_CONFIG_PATH"' EXIT
elif [ "$code" != 0 ]; then
    printf '%s\n' "$said" >&2
    exit "$code"
fi
python -m stacks.apply local
python run.py --config local.yaml
