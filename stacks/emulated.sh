# `make emulated`: a production configuration in the box, from its data to a prediction of its endpoint.
set -euo pipefail

config=${1:-prod.yaml}
story=stacks/emulated/${config%.yaml}.sh
if [ ! -f "$story" ]; then
    echo "nothing is known of $config in the box; CONFIG may be: $(basename -a -s .sh stacks/emulated/*.sh | sed 's/$/.yaml/' | paste -sd ' ')" >&2
    exit 2
fi
trap 'python -m cloudbox --home "$EVERGREEN_BOX" down' EXIT
. stacks/box.sh
refusals=$EVERGREEN_BOX/refusals.jsonl # of earlier visits, too: a login to the dashboard asks for a list of domains
touch "$refusals"
before=$(wc -l < "$refusals")
calls=$(wc -l < "$EVERGREEN_BOX/calls.jsonl") # those that made the bucket, as the project's owner does
. "$story"
python run.py status --config "$config"
refused=$(tail -n "+$((before + 1))" "$refusals")
if [ -n "$refused" ]; then
    printf 'the box refused these calls:\n%s\n' "$refused" >&2
    exit 1
fi
python -m cloudbox --home "$EVERGREEN_BOX" permissions --skip "$calls" docs/production.md
