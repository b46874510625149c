# News: rows of BigQuery → a classifier → its endpoint, asked by the command and by Google's SDK.
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
