# A worker, with torch. Plain, it takes the package index's own build of torch, which runs on CUDA and on CPU.
# For a smaller image without CUDA, name the variant and an index that has it:
#   docker build -f docker/worker.Dockerfile -t glmr-worker \
#     --build-arg TORCH_VARIANT=cpu --build-arg PIP_EXTRA_INDEX_URL=<index of CPU wheels, see pytorch.org> .
# Any Debian 12 with Python 3.11 as `python` and with its module venv; docker/build.sh can make one without a registry.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS packages

ARG PIP_EXTRA_INDEX_URL=""
ARG PIP_FIND_LINKS=""
ARG PIP_NO_INDEX=""
# "cpu", or a CUDA variant such as "cu128"; empty: the index's own choice.
ARG TORCH_VARIANT=""
COPY requirements/worker.lock /tmp/requirements/
RUN sed --in-place "s/^\(torch==[0-9.]*\)$/\1${TORCH_VARIANT:++$TORCH_VARIANT}/" /tmp/requirements/worker.lock \
    && python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --requirement /tmp/requirements/worker.lock \
    && /opt/venv/bin/python -c "import torch; print('torch', torch.__version__, 'CUDA', torch.version.cuda)"


FROM ${BASE_IMAGE}

# RDKit's drawing module is linked against these.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 libxext6 libxrender1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home glmr \
    && install --directory --owner glmr --group glmr /data

COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/glmr
COPY manage.py ./
COPY glmr_server ./glmr_server
COPY annotation ./annotation
COPY models_ml ./models_ml
COPY worker ./worker

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GLMR_DATA_DIR=/data

USER 10001
VOLUME /data
# Healthy means working: the ledger has a recent heartbeat of this worker. A process that exists proves nothing.
HEALTHCHECK --interval=30s --timeout=20s --start-period=120s CMD ["python", "-m", "glmr_server.health", "worker"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "glmr_server.serve", "worker"]
