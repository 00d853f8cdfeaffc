-- Watching: what runs, how far it has come, and whether the engine is well.

-- Ids, not rows: a function that takes the row type of a table keeps columns from being added to it.
CREATE FUNCTION df._output(instance_id text) RETURNS text
    STABLE STRICT LANGUAGE sql SET row_security = on
    BEGIN ATOMIC
        SELECT CASE i.status
            WHEN 'completed' THEN coalesce(
                (SELECT n.result::text FROM df.nodes AS n WHERE n.instance_id = i.id AND n.id = i.root_node),
                CASE WHEN i.called_by IS NOT NULL THEN df._called_result(i.id) END)
            WHEN 'failed' THEN i.error
            WHEN 'cancelled' THEN i.error
        END
        FROM df.instances AS i WHERE i.id = _output.instance_id;
    END;

CREATE FUNCTION df._execution_count(instance_id text) RETURNS bigint
    STABLE STRICT LANGUAGE sql SET row_security = on
    BEGIN ATOMIC
        SELECT greatest(n.iteration, 1)
        FROM df.instances AS i JOIN df.nodes AS n ON n.instance_id = i.id AND n.id = i.root_node
        WHERE i.id = _execution_count.instance_id AND n.node_type = 'LOOP'
        UNION ALL SELECT 1 LIMIT 1;
    END;

COMMENT ON FUNCTION df._output(text) IS 'The result of an instance, or why it ended.';
COMMENT ON FUNCTION df._execution_count(text) IS 'How many generations its root loop has begun; 1 without one.';

CREATE FUNCTION df.list_instances(status_filter text DEFAULT NULL, limit_count integer DEFAULT 100)
    RETURNS TABLE (
        instance_id text, label text, function_name text, status text, execution_count bigint, output text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'list_newest_wrapper';
COMMENT ON FUNCTION df.list_instances(text, integer) IS 'The newest instances that the current role may see.';

CREATE FUNCTION df.list_instances(
    status_filter text, limit_count integer, label_filter text, after_cursor text DEFAULT NULL)
    RETURNS TABLE (
        instance_id text, label text, function_name text, status text, execution_count bigint, output text,
        created_at timestamptz, completed_at timestamptz, next_cursor text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'list_pages_wrapper';
COMMENT ON FUNCTION df.list_instances(text, integer, text, text) IS
    'One page of instances; pass next_cursor as after_cursor to get the next one.';

CREATE FUNCTION df.instance_info(instance_id text)
    RETURNS TABLE (
        instance_id text, label text, function_name text, function_version text,
        current_execution_id bigint, status text, output text)
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'instance_info_wrapper';
COMMENT ON FUNCTION df.instance_info(text) IS 'One instance; no row when it is unknown or not visible.';

CREATE FUNCTION df._executions(instance_id text, limit_count integer)
    RETURNS TABLE (execution_id bigint, status text, event_count bigint, duration_ms bigint, output text)
    STABLE LANGUAGE sql
    BEGIN ATOMIC
        SELECT e.execution_id,
               CASE WHEN e.execution_id < last.execution_id THEN 'ContinuedAsNew'
                    WHEN i.status = 'completed' THEN 'Completed'
                    WHEN i.status IN ('failed', 'cancelled') THEN 'Failed'
                    ELSE 'Running' END,
               CASE WHEN e.execution_id = last.execution_id THEN (
                   SELECT count(*) FROM df.nodes AS n
                   WHERE n.instance_id = i.id AND n.status IN ('completed', 'failed')) END,
               CASE WHEN e.execution_id = last.execution_id THEN (
                   extract(epoch FROM coalesce(i.completed_at, clock_timestamp())
                       - CASE WHEN last.execution_id = 1 THEN i.created_at ELSE root.updated_at END)
                   * 1000)::bigint END,
               CASE WHEN e.execution_id = last.execution_id THEN df._output(i.id) END
        FROM df.instances AS i
             JOIN df.nodes AS root ON root.instance_id = i.id AND root.id = i.root_node,
             LATERAL (SELECT df._execution_count(i.id)) AS last (execution_id),
             LATERAL generate_series(
                 last.execution_id,
                 greatest(1, last.execution_id - least(_executions.limit_count, 10000) + 1), -1) AS e (execution_id)
        WHERE i.id = _executions.instance_id;
    END;
COMMENT ON FUNCTION df._executions(text, integer) IS 'What df.instance_executions() shows, to whom it shows it.';

CREATE FUNCTION df.instance_executions(instance_id text, limit_count integer DEFAULT 5)
    RETURNS TABLE (execution_id bigint, status text, event_count bigint, duration_ms bigint, output text)
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'instance_executions_wrapper';
COMMENT ON FUNCTION df.instance_executions(text, integer) IS
    'The generations of an instance whose root is a loop, newest first; figures are kept for the newest only.';

CREATE FUNCTION df.instance_nodes(instance_id_param text)
    RETURNS TABLE (
        node_id text, node_type text, query text, result_name text, left_node text, right_node text,
        status text, result text, status_details text, inferred_status text,
        inferred_status_from_ancestor_id text, updated_at timestamptz,
        waiting_for text, wake_at timestamptz, delivery text, generation bigint,
        error text, sqlstate text, deaths integer, attempt integer, next_attempt_at timestamptz,
        started_at timestamptz)
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'instance_nodes_wrapper';
COMMENT ON FUNCTION df.instance_nodes(text) IS
    'The nodes of an instance: how far each has come, what it waits for, and how its effect is delivered.';

CREATE FUNCTION df.instance_nodes(instance_id_param text, _last_n_executions integer)
    RETURNS TABLE (
        execution_id bigint, node_id text, node_type text, query text, result_name text, left_node text,
        right_node text, status text, result text, updated_at timestamptz)
    STRICT LANGUAGE sql
    BEGIN ATOMIC
        SELECT 1::bigint, n.node_id, n.node_type, n.query, n.result_name, n.left_node, n.right_node,
               n.status, n.result, n.updated_at
        FROM df.instance_nodes(instance_id_param) AS n;
    END;

COMMENT ON FUNCTION df.instance_nodes(text, integer) IS
    'The nodes of an instance as clients of the reference system read them; the second argument is ignored.';

CREATE FUNCTION df.attempts(instance_id text)
    RETURNS TABLE (
        node_id text, generation bigint, attempt integer, started_at timestamptz, ended_at timestamptz, sqlstate text,
        message text, detail text)
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'attempts_of_wrapper';
COMMENT ON FUNCTION df.attempts(text) IS
    'The attempts that have failed at the nodes of an instance that df.retry() tries again, oldest first.';

CREATE FUNCTION df.walls(
    OUT wall text, OUT size bigint, OUT used bigint, OUT crossings bigint, OUT met_at timestamptz, OUT note text)
    RETURNS SETOF record
    LANGUAGE c AS 'MODULE_PATHNAME', 'walls_wrapper';
COMMENT ON FUNCTION df.walls() IS
    'What of the engine is of a fixed size in the whole server: how full it is, and how often somebody came up against it.';

CREATE FUNCTION df.workers(
    OUT kind text, OUT pid integer, OUT role text, OUT database text, OUT state text, OUT instance_id text,
    OUT node_id text, OUT since timestamptz, OUT steps bigint, OUT note text)
    RETURNS SETOF record
    LANGUAGE c AS 'MODULE_PATHNAME', 'workers_wrapper';
COMMENT ON FUNCTION df.workers() IS
    'The engine''s processes, what each is doing since when, and what stands in their way.';

CREATE FUNCTION df.advance_clock(duration interval) RETURNS timestamptz
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'clock_advance_wrapper';
COMMENT ON FUNCTION df.advance_clock(interval) IS
    'Moves the engine''s clock forward, in a server for tests (pg_durable.test_clock), and returns what it shows then.';

CREATE FUNCTION df.version() RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'version_wrapper';
COMMENT ON FUNCTION df.version() IS 'The version of the loaded library.';

CREATE FUNCTION df.target_database() RETURNS text
    STABLE PARALLEL SAFE LANGUAGE sql
    BEGIN ATOMIC
        SELECT current_database()::text;
    END;
COMMENT ON FUNCTION df.target_database() IS 'The database whose workflows run here: the current one.';
