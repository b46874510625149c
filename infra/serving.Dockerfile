# The prediction server: `evergreen/` alone on its own requirements. Vertex AI gives AIP_STORAGE_URI, AIP_HTTP_PORT and the
# routes; see docs/serving.md. With ENGINE=onnx it answers by graphs alone, with ENGINE=torch by torch too.
#
# docker build -f infra/serving.Dockerfile --build-arg ENGINE=onnx --build-arg BASE_DIGEST=sha256:… -t serving-onnx .
ARG DOCKER_HUB=docker.io
ARG BASE=library/python:3.11-slim-bookworm
ARG BASE_DIGEST
FROM ${DOCKER_HUB}/${BASE}@${BASE_DIGEST}

ARG ENGINE=torch
# torch comes from here; with a GPU: https://download.pytorch.org/whl/cu126
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/srv \
    HF_HUB_OFFLINE=1 \
    EVERGREEN_HOST=0.0.0.0 \
    EVERGREEN_ENGINE_TRIALS=/tmp/engine-trials

COPY infra/serving-requirements.txt infra/serving-onnx-requirements.txt /srv/
RUN case "${ENGINE}" in \
    torch) requirements=/srv/serving-requirements.txt \
        && pip install --no-cache-dir --index-url "${TORCH_INDEX}" "$(grep '^torch==' "${requirements}")" ;; \
    onnx) requirements=/srv/serving-onnx-requirements.txt ;; \
    *) echo "ENGINE is ${ENGINE} (allowed: onnx, torch)" >&2; exit 2 ;; \
    esac \
    && pip install --no-cache-dir -r "${requirements}" \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin serving
COPY evergreen /srv/evergreen

WORKDIR /srv
USER 10001
EXPOSE 8080
# The exec form: SIGTERM reaches the server, which drains.
ENTRYPOINT ["python", "-m", "evergreen.serving"]
