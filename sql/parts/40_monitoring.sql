-- Watching: what runs, how far it has come, and whether the engine is well.

CREATE FUNCTION df._output(i df.instances) RETURNS text
    STABLE LANGUAGE sql
    BEGIN ATOMIC
        SELECT CASE i.status
            WHEN 'completed' THEN coalesce(
                (SELECT n.result::text FROM df.nodes AS n WHERE n.instance_id = i.id AND n.id = i.root_node),
                CASE WHEN i.called_by IS NOT NULL THEN df._called_result(i.id) END)
            WHEN 'failed' THEN i.error
            WHEN 'cancelled' THEN i.error
        END;
    END;

CREATE FUNCTION df._execution_count(i df.instances) RETURNS bigint
    STABLE LANGUAGE sql
    BEGIN ATOMIC
        SELECT greatest(n.iteration, 1)
        FROM df.nodes AS n WHERE n.instance_id = i.id AND n.id = i.root_node AND n.node_type = 'LOOP'
        UNION ALL SELECT 1 LIMIT 1;
    END;

COMMENT ON FUNCTION df._output(df.instances) IS 'The result of an instance, or why it ended.';
COMMENT ON FUNCTION df._execution_count(df.instances) IS 'How many generations its root loop has begun; 1 without one.';

CREATE FUNCTION df.list_instances(status_filter text DEFAULT NULL, limit_count integer DEFAULT 100)
    RETURNS TABLE (
        instance_id text, label text, function_name text, status text, execution_count bigint, output text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
    AS $$
BEGIN
    PERFORM df._check_list_limit(limit_count);
    RETURN QUERY
        SELECT i.id::text, i.label, 'pg_durable::orchestration::execute-function-graph'::text, i.status,
               df._execution_count(i), df._output(i)
        FROM df.instances AS i
        WHERE status_filter IS NULL OR i.status = lower(status_filter)
        ORDER BY i.created_at DESC, i.id
        LIMIT limit_count;
END
$$;
COMMENT ON FUNCTION df.list_instances(text, integer) IS 'The newest instances that the current role may see.';

CREATE FUNCTION df.list_instances(
    status_filter text, limit_count integer, label_filter text, after_cursor text DEFAULT NULL)
    RETURNS TABLE (
        instance_id text, label text, function_name text, status text, execution_count bigint, output text,
        created_at timestamptz, completed_at timestamptz, next_cursor text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
    AS $$
DECLARE
    fields text[];
    after_created_at timestamptz;
    after_id text;
    cursor_time CONSTANT text := 'YYYY-MM-DD"T"HH24:MI:SS.USOF';
BEGIN
    PERFORM df._check_list_limit(limit_count);
    IF after_cursor IS NOT NULL THEN
        IF length(after_cursor) <= 512 AND after_cursor ~ '^([0-9a-f]{2})+$' THEN
            BEGIN
                fields := string_to_array(convert_from(decode(after_cursor, 'hex'), 'UTF8'), '|');
            EXCEPTION WHEN OTHERS THEN
                fields := NULL;
            END;
        END IF;
        IF fields IS NULL OR cardinality(fields) <> 3 OR fields[1] <> 'v1'
           OR fields[2] !~ '^\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d(:\d\d)?$'
           OR fields[3] !~ '^[0-9a-f]{8,16}$' THEN
            RAISE EXCEPTION 'df.list_instances: invalid after_cursor'
                USING ERRCODE = 'invalid_parameter_value',
                      HINT = 'Pass the next_cursor of an earlier page as it was.';
        END IF;
        after_created_at := fields[2]::timestamptz;
        after_id := fields[3];
    END IF;
    RETURN QUERY
        WITH page AS (
            SELECT i AS instance, row_number() OVER (ORDER BY i.created_at DESC, i.id) AS place
            FROM df.instances AS i
            WHERE (status_filter IS NULL OR i.status = lower(status_filter))
              AND (label_filter IS NULL OR i.label = label_filter)
              AND (after_cursor IS NULL OR i.created_at < after_created_at
                   OR (i.created_at = after_created_at AND i.id > after_id))
            ORDER BY i.created_at DESC, i.id
            LIMIT limit_count::bigint + 1
        ), cursor_row AS (
            SELECT encode(convert_to(
                       'v1|' || to_char((p.instance).created_at, cursor_time) || '|' || (p.instance).id,
                       'UTF8'), 'hex') AS next_cursor
            FROM page AS p
            WHERE p.place = limit_count AND EXISTS (SELECT FROM page AS q WHERE q.place > limit_count)
        )
        SELECT (p.instance).id::text, (p.instance).label,
               'pg_durable::orchestration::execute-function-graph'::text, (p.instance).status,
               df._execution_count(p.instance), df._output(p.instance),
               (p.instance).created_at, (p.instance).completed_at,
               (SELECT c.next_cursor FROM cursor_row AS c)
        FROM page AS p
        WHERE p.place <= limit_count
        ORDER BY p.place;
END
$$;
COMMENT ON FUNCTION df.list_instances(text, integer, text, text) IS
    'One page of instances; pass next_cursor as after_cursor to get the next one.';

CREATE FUNCTION df._check_list_limit(limit_count integer) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
    AS $$
DECLARE
    most integer := current_setting('pg_durable.list_instances_max_limit')::integer;
BEGIN
    IF limit_count IS NULL OR limit_count < 1 THEN
        RAISE EXCEPTION 'limit_count must be at least 1' USING ERRCODE = 'invalid_parameter_value';
    ELSIF limit_count > most THEN
        RAISE EXCEPTION 'df.list_instances: limit_count (%) exceeds pg_durable.list_instances_max_limit (%); request fewer rows, or use the paginated df.list_instances overload (after_cursor/next_cursor) for large result sets',
            limit_count, most USING ERRCODE = 'program_limit_exceeded';
    END IF;
END
$$;

COMMENT ON FUNCTION df._check_list_limit(integer) IS 'Raises unless a limit_count is allowed.';

CREATE FUNCTION df.instance_info(instance_id text)
    RETURNS TABLE (
        instance_id text, label text, function_name text, function_version text,
        current_execution_id bigint, status text, output text)
    STRICT LANGUAGE sql SET row_security = on
    BEGIN ATOMIC
        SELECT i.id::text, i.label, 'pg_durable::orchestration::execute-function-graph'::text, '1.0.0'::text,
               df._execution_count(i), i.status, df._output(i)
        FROM df.instances AS i WHERE i.id = instance_info.instance_id;
    END;
COMMENT ON FUNCTION df.instance_info(text) IS 'One instance; no row when it is unknown or not visible.';

CREATE FUNCTION df.instance_executions(instance_id text, limit_count integer DEFAULT 5)
    RETURNS TABLE (execution_id bigint, status text, event_count bigint, duration_ms bigint, output text)
    STRICT LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
    AS $$
#variable_conflict use_column
BEGIN
    IF limit_count < 1 THEN
        RAISE EXCEPTION 'limit_count must be at least 1' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY
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
               CASE WHEN e.execution_id = last.execution_id THEN df._output(i) END
        FROM df.instances AS i
             JOIN df.nodes AS root ON root.instance_id = i.id AND root.id = i.root_node,
             LATERAL (SELECT df._execution_count(i)) AS last (execution_id),
             LATERAL generate_series(
                 last.execution_id,
                 greatest(1, last.execution_id - least(limit_count, 10000) + 1), -1) AS e (execution_id)
        WHERE i.id = instance_executions.instance_id
        ORDER BY e.execution_id DESC;
END
$$;
COMMENT ON FUNCTION df.instance_executions(text, integer) IS
    'The generations of an instance whose root is a loop, newest first; figures are kept for the newest only.';

CREATE FUNCTION df.instance_nodes(instance_id_param text)
    RETURNS TABLE (
        node_id text, node_type text, query text, result_name text, left_node text, right_node text,
        status text, result text, status_details text, inferred_status text,
        inferred_status_from_ancestor_id text, updated_at timestamptz,
        waiting_for text, wake_at timestamptz, delivery text, generation bigint,
        error text, sqlstate text, deaths integer, attempt integer, next_attempt_at timestamptz)
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

CREATE FUNCTION df.metrics(
    OUT total_instances bigint, OUT running_instances bigint, OUT completed_instances bigint,
    OUT failed_instances bigint, OUT total_executions bigint, OUT total_events bigint)
    SECURITY DEFINER LANGUAGE sql
    BEGIN ATOMIC
        SELECT count(*),
               count(*) FILTER (WHERE i.status = 'running'),
               count(*) FILTER (WHERE i.status = 'completed'),
               count(*) FILTER (WHERE i.status IN ('failed', 'cancelled')),
               coalesce(sum(df._execution_count(i)), 0)::bigint,
               (SELECT count(*) FROM df.nodes AS n WHERE n.status IN ('completed', 'failed'))
        FROM df.instances AS i;
    END;
COMMENT ON FUNCTION df.metrics() IS 'Counts over the instances of all roles.';

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
