-- The instances of all roles, for whom df.grant_fleet() lets. A level is EXECUTE on a function, so that it can be passed
-- on, revoked and dumped as any other right.

CREATE FUNCTION df.fleet_metadata() RETURNS boolean
    STABLE PARALLEL SAFE LANGUAGE sql
    BEGIN ATOMIC
        SELECT true;
    END;
COMMENT ON FUNCTION df.fleet_metadata() IS
    'A right, not a function: who may execute it sees how far the instances of all roles have come.';

CREATE FUNCTION df.fleet_read() RETURNS boolean
    STABLE PARALLEL SAFE LANGUAGE sql
    BEGIN ATOMIC
        SELECT true;
    END;
COMMENT ON FUNCTION df.fleet_read() IS
    'A right, not a function: who may execute it sees the texts and values of all instances.';

CREATE FUNCTION df.fleet_operate() RETURNS boolean
    STABLE PARALLEL SAFE LANGUAGE sql
    BEGIN ATOMIC
        SELECT true;
    END;
COMMENT ON FUNCTION df.fleet_operate() IS
    'A right, not a function: who may execute it signals and cancels the instances of all roles.';

CREATE FUNCTION df._fleet_level() RETURNS integer
    STABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'fleet_level_wrapper';
COMMENT ON FUNCTION df._fleet_level() IS
    'The level of the current role: 1 is metadata, 2 read, 3 operate, 0 none.';

-- What a level does not show is NULL. The condition is asked once: where it does not hold, nothing is read.
CREATE VIEW df.all_instances WITH (security_barrier) AS
    SELECT i.id, i.label, i.root_node, i.submitted_by, i.database,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN i.vars END AS vars,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN i.input END AS input,
           i.workflow, i.version, i.called_by, i.durability,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN i.idempotency_key END AS idempotency_key,
           i.created_at, i.status, i.updated_at, i.started_at, i.completed_at, i.failed_node,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN i.error END AS error,
           i.sqlstate,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN i.message END AS message,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN i.detail END AS detail,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN i.hint END AS hint,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN i.context END AS context,
           i.cancelled_by,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN i.attributes END AS attributes,
           i.trace_context
    FROM df.instances AS i
    WHERE (SELECT df._fleet_level()) >= 1;
COMMENT ON VIEW df.all_instances IS
    'df.instances of all roles, for whom df.grant_fleet() lets; no rows for others. The level metadata has NULL for texts and values.';

CREATE VIEW df.all_nodes WITH (security_barrier) AS
    SELECT n.id, n.instance_id, n.node_type,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN n.query END AS query,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN n.params END AS params,
           n.result_name, n.left_node, n.right_node, n.submitted_by, n.database, n.created_at, n.status, n.generation,
           n.iteration, n.updated_at, n.started_at, n.wake_at, n.waiting_for,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN n.result END AS result,
           n.result_columns, n.at_least_once, n.deaths, n.died_in, n.attempt, n.tries, n.next_attempt_at,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN n.error END AS error,
           n.sqlstate,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN n.message END AS message,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN n.detail END AS detail,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN n.hint END AS hint,
           CASE WHEN (SELECT df._fleet_level()) >= 2 THEN n.context END AS context,
           n.status_details
    FROM df.nodes AS n
    WHERE (SELECT df._fleet_level()) >= 1;
COMMENT ON VIEW df.all_nodes IS
    'df.nodes of all roles, for whom df.grant_fleet() lets; no rows for others. The level metadata has NULL for texts and values.';

-- USAGE on the schema is the gate; a view shows each role what its level does.
GRANT SELECT ON df.all_instances, df.all_nodes TO PUBLIC;
