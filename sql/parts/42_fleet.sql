-- What a fleet looks like: lists by any filter, counts, what waits, what fails. They show what the current role may see,
-- read as the owner by statements that are made for each question: row security would hide the indexes.

CREATE FUNCTION df.list(
    filter jsonb DEFAULT '{}',
    sort text DEFAULT '-created_at',
    limit_count integer DEFAULT 50,
    after text DEFAULT NULL)
    RETURNS TABLE (
        id text, label text, workflow text, version integer, role text, status text, waiting_for text,
        wake_at timestamptz, created_at timestamptz, started_at timestamptz, completed_at timestamptz,
        duration interval, sqlstate text, error_preview text, generations bigint, attributes jsonb, cursor text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'fleet_list_wrapper';
COMMENT ON FUNCTION df.list(jsonb, text, integer, text) IS
    'One page of the instances that fit a filter, without their outputs; pass the last cursor as after to get the next one.';

CREATE FUNCTION df.count(filter jsonb DEFAULT '{}', at_most bigint DEFAULT 10000)
    RETURNS TABLE (count bigint, is_exact boolean)
    LANGUAGE c AS 'MODULE_PATHNAME', 'fleet_count_wrapper';
COMMENT ON FUNCTION df.count(jsonb, bigint) IS 'How many instances fit a filter of df.list(); it stops at at_most.';

-- Not RETURNS TABLE: columns may not bear the names of arguments there.
CREATE TYPE df._waiting AS (
    instance_id text, label text, workflow text, role text, node_id text, kind text, name text, since timestamptz,
    wake_at timestamptz, cursor text
);
COMMENT ON TYPE df._waiting IS 'A row of df.waiting().';

CREATE FUNCTION df.waiting(
    kind text DEFAULT NULL,
    name text DEFAULT NULL,
    longer_than interval DEFAULT NULL,
    limit_count integer DEFAULT 100,
    after text DEFAULT NULL)
    RETURNS SETOF df._waiting
    LANGUAGE c AS 'MODULE_PATHNAME', 'fleet_waiting_wrapper';
COMMENT ON FUNCTION df.waiting(text, text, interval, integer, text) IS
    'What waits for something from outside, the longest first; pass the last cursor as after to get the next page.';

CREATE FUNCTION df.waiting_summary()
    RETURNS TABLE (kind text, name text, count bigint, oldest timestamptz)
    LANGUAGE c AS 'MODULE_PATHNAME', 'fleet_waiting_summary_wrapper';
COMMENT ON FUNCTION df.waiting_summary() IS 'How many wait for what, and since when the first does.';

CREATE FUNCTION df.errors(since interval DEFAULT '1 day', limit_count integer DEFAULT 100)
    RETURNS TABLE (
        workflow text, node_id text, sqlstate text, fingerprint text, count bigint, first_at timestamptz,
        last_at timestamptz, example_instance text, example_message text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'fleet_errors_wrapper';
COMMENT ON FUNCTION df.errors(interval, integer) IS
    'What has failed of late, in groups of one workflow, node, SQLSTATE and message but for numbers and quoted parts.';

CREATE FUNCTION df.metrics(
    exact boolean DEFAULT false,
    OUT total_instances bigint, OUT running_instances bigint, OUT completed_instances bigint,
    OUT failed_instances bigint, OUT total_executions bigint, OUT total_events bigint,
    OUT ready_items bigint, OUT walls_met bigint)
    -- STABLE: all of it is of one snapshot.
    STABLE SECURITY DEFINER LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    SET jit = off
    AS $$
DECLARE
    tally df._tally;
BEGIN
    -- All rows are read anew for who does not trust what was counted before.
    SELECT t.* INTO tally FROM df._tally AS t WHERE exact IS NOT TRUE;
    WITH rest AS MATERIALIZED (
        SELECT i.id, i.root_node, i.status FROM df.instances AS i
        WHERE i.status = ANY (ARRAY['pending', 'running'])
        UNION ALL
        SELECT i.id, i.root_node, i.status FROM df.instances AS i
        WHERE i.completed_at >= coalesce(tally.up_to, '-infinity'::timestamptz)
          AND i.status = ANY (ARRAY['completed', 'failed', 'cancelled'])
    ), counted AS (
        SELECT r.status, n.executions, n.events
        FROM rest AS r, LATERAL (
            SELECT max(CASE WHEN n.id = r.root_node AND n.node_type = 'LOOP' THEN n.iteration END) AS executions,
                   count(*) FILTER (WHERE n.status = ANY (ARRAY['completed', 'failed'])) AS events
            FROM df.nodes AS n WHERE n.instance_id = r.id) AS n
    )
    SELECT coalesce(tally.completed + tally.failed + tally.cancelled, 0) + count(*),
           count(*) FILTER (WHERE c.status = 'running'),
           coalesce(tally.completed, 0) + count(*) FILTER (WHERE c.status = 'completed'),
           coalesce(tally.failed + tally.cancelled, 0) + count(*) FILTER (WHERE c.status = ANY (ARRAY['failed', 'cancelled'])),
           coalesce(tally.executions, 0) + coalesce(sum(greatest(c.executions, 1)), 0)::bigint,
           coalesce(tally.events, 0) + coalesce(sum(c.events), 0)::bigint
    INTO total_instances, running_instances, completed_instances, failed_instances, total_executions, total_events
    FROM counted AS c;
    SELECT coalesce(max(w.used) FILTER (WHERE w.wall = 'items'), 0), coalesce(sum(w.crossings), 0)::bigint
    INTO ready_items, walls_met
    FROM df.walls() AS w;
END
$$;
COMMENT ON FUNCTION df.metrics(boolean) IS
    'Counts over the instances of all roles; of the whole server, how much ready work the board holds and how often a wall was met.';
