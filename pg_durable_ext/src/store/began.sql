CASE WHEN n.status OPERATOR(pg_catalog.=) 'running' AND n.generation OPERATOR(pg_catalog.=) $4
    THEN COALESCE(n.started_at, pg_catalog.now()) ELSE pg_catalog.now() END