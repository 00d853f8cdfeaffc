#!/bin/sh
# Starts PostgreSQL where the base image has no entry point. It understands the variables of the official image that
# matter most: POSTGRES_PASSWORD, POSTGRES_PASSWORD_FILE, POSTGRES_USER, POSTGRES_DB, POSTGRES_HOST_AUTH_METHOD,
# POSTGRES_INITDB_ARGS and PGDATA, and runs *.sql and *.sh in /docker-entrypoint-initdb.d in a new cluster.
set -eu

PGDATA=${PGDATA:-/var/lib/postgresql/data}
POSTGRES_USER=${POSTGRES_USER:-postgres}
POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
export PGDATA POSTGRES_USER POSTGRES_DB
socket=/var/run/postgresql
# There while a cluster is made; the next start sees that the last one did not come to its end.
unfinished=$PGDATA/pg_durable.unfinished

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

password() {
    if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
        cat "$POSTGRES_PASSWORD_FILE"
    else
        printf '%s\n' "${POSTGRES_PASSWORD:-}"
    fi
}

# Makes the cluster and runs the scripts on a server that only this container reaches; "$@" is the server's command.
initialise() {
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ "$method" != trust ] && [ -z "$(password)" ]; then
        fail 'set POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust to let everybody in'
    fi
    umask 077
    secret=$(mktemp)
    password > "$secret"
    if [ -s "$secret" ] && [ -n "$(password)" ]; then pwfile=--pwfile=$secret; else pwfile=; fi
    # shellcheck disable=SC2086 # several arguments, as in the official image
    initdb --username="$POSTGRES_USER" ${pwfile:+"$pwfile"} ${POSTGRES_INITDB_ARGS:-}
    touch "$unfinished"
    rm "$secret"
    printf '\nhost all all all %s\n' "$method" >> "$PGDATA/pg_hba.conf"

    "$@" -c listen_addresses= -c unix_socket_directories="$socket" &
    server=$!
    until pg_isready -q -h "$socket" -U "$POSTGRES_USER" -d postgres; do
        kill -0 "$server" || fail 'the server did not start'
        sleep 0.1
    done
    if [ "$POSTGRES_DB" != postgres ]; then
        createdb -h "$socket" -U "$POSTGRES_USER" --maintenance-db=postgres -- "$POSTGRES_DB"
    fi
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
            *.sh) sh "$script" ;;
            *.sql) psql -X -q -v ON_ERROR_STOP=1 -h "$socket" -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$script" ;;
        esac
    done
    kill -INT "$server"
    wait "$server" || fail 'the server did not stop in order'
    rm "$unfinished"
}

case ${1:--} in
    -*) set -- postgres "$@" ;;
esac
# Anything else, such as a shell, is run as it is.
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" "$socket"
    chown postgres:postgres "$PGDATA" "$socket"
    chmod 700 "$PGDATA"
    export HOME=/var/lib/postgresql
    exec setpriv --reuid=postgres --regid=postgres --init-groups --no-new-privs -- "$0" "$@"
fi

if [ -e "$unfinished" ]; then
    fail "the first start of this cluster was interrupted: empty $PGDATA, so that it can be made anew"
fi
[ -s "$PGDATA/PG_VERSION" ] || initialise "$@"
exec "$@"
