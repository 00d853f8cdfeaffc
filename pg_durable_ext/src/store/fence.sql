(n.generation OPERATOR(pg_catalog.<) $4
    AND (n.node_type OPERATOR(pg_catalog.<>) ALL (ARRAY['LOOP', 'RETRY']) OR $5 OPERATOR(pg_catalog.=) 0
         OR n.iteration OPERATOR(pg_catalog.<) $5)
 OR n.generation OPERATOR(pg_catalog.=) $4 AND n.iteration OPERATOR(pg_catalog.<=) $5
    AND n.status OPERATOR(pg_catalog.<>) ALL (ARRAY['completed', 'failed']))
