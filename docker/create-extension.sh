#!/bin/sh
# Creates the extension in a new cluster's first database, unless PG_DURABLE_CREATE_EXTENSION=no.
if [ "${PG_DURABLE_CREATE_EXTENSION:-yes}" != no ]; then
    user=${POSTGRES_USER:-postgres}
    psql -X -q -v ON_ERROR_STOP=1 -U "$user" -d "${POSTGRES_DB:-$user}" -c 'CREATE EXTENSION IF NOT EXISTS pg_durable'
fi
