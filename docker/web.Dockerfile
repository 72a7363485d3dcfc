# The web server, beat, and management commands. No torch: the worker's image has it.
#   docker build -f docker/web.Dockerfile -t glmr-web .
# Any Debian 12 with Python 3.11 as `python` and with its module venv; docker/build.sh can make one without a registry.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS packages

# Where packages come from is the builder's choice, as with `make run`.
ARG PIP_EXTRA_INDEX_URL=""
ARG PIP_FIND_LINKS=""
ARG PIP_NO_INDEX=""
COPY requirements/web.lock /tmp/requirements/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --requirement /tmp/requirements/web.lock


# The help pages. What builds them stays out of the image.
FROM ${BASE_IMAGE} AS help

ARG PIP_EXTRA_INDEX_URL=""
ARG PIP_FIND_LINKS=""
ARG PIP_NO_INDEX=""
COPY requirements/docs.lock /tmp/requirements/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --requirement /tmp/requirements/docs.lock
WORKDIR /srv/glmr
COPY CHANGELOG.md ./
COPY glmr_server ./glmr_server
COPY annotation ./annotation
COPY docs ./docs
RUN /opt/venv/bin/python -m sphinx --quiet --builder html --doctree-dir /tmp/doctrees docs docs/_build/html


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
COPY --from=help /srv/glmr/docs/_build/html ./docs/_build/html

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GLMR_DATA_DIR=/data \
    GLMR_BIND=0.0.0.0:8000 \
    GLMR_STATIC_ROOT=/srv/glmr/static \
    GLMR_STATIC_COLLECTED=true
# The server keeps its files to itself (mode 0600), but here root makes what another user serves.
RUN python manage.py collectstatic --no-input --verbosity 0 \
    && chmod --recursive a+rX /srv/glmr/static

USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["python", "-m", "glmr_server.health", "web"]
CMD ["python", "-m", "glmr_server.serve", "web"]
