#!/bin/sh
# Starts PostgreSQL as the image of compose.yaml does: the first start makes the cluster, the user and the
# database that POSTGRES_USER, POSTGRES_DB and POSTGRES_PASSWORD name. Connections over TCP need the password.
set -eu

cluster=/var/lib/postgresql/data
if [ ! -f "$cluster/PG_VERSION" ]; then
    password=/var/lib/postgresql/password
    (umask 077 && printf '%s' "$POSTGRES_PASSWORD" > "$password")
    initdb --pgdata "$cluster" --username "$POSTGRES_USER" --pwfile "$password" --encoding UTF8 \
        --locale C --auth-local trust --auth-host scram-sha-256 > /dev/null
    rm "$password"
    pg_ctl --pgdata "$cluster" --wait --silent --log /tmp/initial.log \
        --options "-c listen_addresses= -c unix_socket_directories=/tmp" start
    createdb --host /tmp --username "$POSTGRES_USER" "$POSTGRES_DB"
    pg_ctl --pgdata "$cluster" --wait --silent stop
    echo "host all all 0.0.0.0/0 scram-sha-256" >> "$cluster/pg_hba.conf"
fi
exec postgres -D "$cluster" -c listen_addresses=* -c unix_socket_directories=/tmp -c shared_buffers=256MB
