# The web server, beat, and management commands. No torch: the worker's image has it.
#   docker build -f docker/web.Dockerfile -t glmr-web .
FROM python:3.11-slim-bookworm AS packages

# Where packages come from is the builder's choice, as with `make run`.
ARG PIP_EXTRA_INDEX_URL=""
COPY requirements/web.lock /tmp/requirements/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --requirement /tmp/requirements/web.lock


FROM python:3.11-slim-bookworm

# RDKit's drawing module is linked against these.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 libxext6 libxrender1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home glmr \
    && install --directory --owner glmr --group glmr /data

COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/glmr
COPY manage.py ./
COPY glmr_server ./glmr_server
COPY annotation ./annotation
COPY models_ml ./models_ml

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GLMR_DATA_DIR=/data \
    GLMR_BIND=0.0.0.0:8000 \
    GLMR_STATIC_ROOT=/srv/glmr/static \
    GLMR_STATIC_COLLECTED=true
RUN python manage.py collectstatic --no-input --verbosity 0

USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["python", "-m", "glmr_server.health", "web"]
CMD ["python", "-m", "glmr_server.serve", "web"]
