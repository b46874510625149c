# What workers of Dataflow run in: the pipeline's image, with torch for CPUs alone, and Beam's own start program. The
# library's code is not in it, `run.py prepare` sends it along.
#
# docker build -f infra/dataflow.Dockerfile --build-arg PIPELINE=…/pipeline:1.0 --build-arg BEAM_DIGEST=sha256:… -t dataflow .
ARG DOCKER_HUB=docker.io
ARG BEAM=apache/beam_python3.11_sdk:2.77.0
ARG BEAM_DIGEST
ARG PIPELINE
FROM ${DOCKER_HUB}/${BEAM}@${BEAM_DIGEST} AS beam

# hadolint ignore=DL3006
FROM ${PIPELINE}
COPY --from=beam /opt/apache/beam /opt/apache/beam
# Dataflow mounts folders of root's, into which the start program writes.
# hadolint ignore=DL3002
USER 0
# Packages go where those of the image are; else each start would copy them into an environment of its own.
ENV RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
ENTRYPOINT ["/opt/apache/beam/boot"]
