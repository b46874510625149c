# `make emulated`: the production configuration from rows in BigQuery to a prediction of its endpoint, in the box.
set -euo pipefail

trap 'python -m cloudbox --home "$EVERGREEN_BOX" down' EXIT
. stacks/box.sh
refusals=$EVERGREEN_BOX/refusals.jsonl # of earlier visits, too: a login to the dashboard asks for a list of domains
touch "$refusals"
before=$(wc -l < "$refusals")
python run.py prepare --config prod.yaml --from local.yaml --days 2 --end "$(date -u +%F)T00:00:00Z" \
    --label-names business=Business,entertainment=World,politics=World,sports=Sports,tech=Sci/Tech
python run.py --config prod.yaml
python run.py predict --config prod.yaml "The striker scored twice in the final"
python - <<'PYTHON'
"""A prediction through the real SDK."""
import os

from google.cloud import aiplatform

aiplatform.init(project=os.environ["GOOGLE_CLOUD_PROJECT"], location=os.environ["GOOGLE_CLOUD_REGION"])
(endpoint,) = aiplatform.Endpoint.list(filter='labels.evergreen_model="news"')
rows = [{"text": "Shares fell after the bank raised its rates"}]
print(endpoint.predict(instances=rows, use_dedicated_endpoint=True).predictions[0])
PYTHON
python run.py status --config prod.yaml
refused=$(tail -n "+$((before + 1))" "$refusals")
if [ -n "$refused" ]; then
    printf 'the box refused these calls:\n%s\n' "$refused" >&2
    exit 1
fi
