-- Building a graph: every function takes and gives a piece of the graph as JSON text, or plain SQL.

CREATE FUNCTION df.sql(query text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_sql_wrapper';
COMMENT ON FUNCTION df.sql(text) IS 'A step that runs SQL; plain SQL text may stand wherever a step may.';

CREATE FUNCTION df.sql(query text, params jsonb) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_sql_bound_wrapper';
COMMENT ON FUNCTION df.sql(text, jsonb) IS
    'A step that runs SQL whose $1, $2, ... are bound to the elements of a JSON array, never text.';

CREATE FUNCTION df.seq(a text, b text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_seq_wrapper';
COMMENT ON FUNCTION df.seq(text, text) IS 'First a, then b (operator ~>).';

CREATE FUNCTION df."as"(fut text, name text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_as_wrapper';
COMMENT ON FUNCTION df."as"(text, text) IS 'Names the result of a step for $name references (operator |=>).';

CREATE FUNCTION df.sleep(seconds bigint) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_sleep_wrapper';
COMMENT ON FUNCTION df.sleep(bigint) IS 'Waits for this many seconds.';

CREATE FUNCTION df.sleep(seconds double precision) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_sleep_fraction_wrapper';
COMMENT ON FUNCTION df.sleep(double precision) IS 'Waits for this many seconds, to the microsecond.';

CREATE FUNCTION df.sleep(duration interval) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_sleep_interval_wrapper';
COMMENT ON FUNCTION df.sleep(interval) IS 'Waits for this long; a month counts as 30 days and a day as 24 hours.';

CREATE FUNCTION df.sleep_for(value text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_sleep_for_wrapper';
COMMENT ON FUNCTION df.sleep_for(text) IS
    'Waits for as long as this text says when the wait is reached: seconds, or an interval, with references such as $due.wait.';

CREATE FUNCTION df.sleep_until(value text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_sleep_until_wrapper';
COMMENT ON FUNCTION df.sleep_until(text) IS
    'Waits until the time that this text says when the wait is reached, with references such as $due.at.';

CREATE FUNCTION df.wait_for_schedule(cron_expr text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_wait_for_schedule_wrapper';
COMMENT ON FUNCTION df.wait_for_schedule(text) IS 'Waits for the next tick of a cron expression, in UTC.';

CREATE FUNCTION df.wait_for_schedule(cron_expr text, timezone text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_wait_for_schedule_in_wrapper';
COMMENT ON FUNCTION df.wait_for_schedule(text, text) IS
    'Waits for the next tick of a cron expression, in an IANA time zone.';

CREATE FUNCTION df.loop(body text, condition text DEFAULT NULL, continue_on_failure boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'graph_loop_wrapper';
COMMENT ON FUNCTION df.loop(text, text, boolean) IS
    'Repeats body while condition is true, looked at after the body; without one until df.break(). With continue_on_failure also where the body fails.';

CREATE FUNCTION df."break"(value text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'graph_break_wrapper';
COMMENT ON FUNCTION df."break"(text) IS 'Leaves the nearest loop; value becomes the loop''s result.';

CREATE FUNCTION df."if"(condition text, then_branch text, else_branch text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_if_wrapper';
COMMENT ON FUNCTION df."if"(text, text, text) IS 'then_branch where the condition''s result is true, else else_branch.';

CREATE FUNCTION df.if_rows(result_name text, then_branch text, else_branch text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_if_rows_wrapper';
COMMENT ON FUNCTION df.if_rows(text, text, text) IS 'then_branch where the named result has rows, else else_branch.';

CREATE FUNCTION df."join"(a text, b text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_join_wrapper';
COMMENT ON FUNCTION df."join"(text, text) IS 'Both at once; goes on when both have completed (operator &).';

CREATE FUNCTION df."join"(VARIADIC branches text[]) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_join_many_wrapper';
COMMENT ON FUNCTION df."join"(text[]) IS 'All at once; goes on when all have completed.';

CREATE FUNCTION df.join3(a text, b text, c text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_join3_wrapper';
COMMENT ON FUNCTION df.join3(text, text, text) IS 'Three at once; goes on when all have completed.';

CREATE FUNCTION df.race(a text, b text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_race_wrapper';
COMMENT ON FUNCTION df.race(text, text) IS 'Both at once; the first to complete wins, the other is cancelled (operator |).';

CREATE FUNCTION df.race(VARIADIC branches text[]) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_race_many_wrapper';
COMMENT ON FUNCTION df.race(text[]) IS 'All at once; the first to complete wins, the others are cancelled.';

CREATE FUNCTION df.race_tagged(VARIADIC branches text[]) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_race_tagged_wrapper';
COMMENT ON FUNCTION df.race_tagged(text[]) IS
    'As df.race, and the result tells who has won: {"branch": n, "result": ...}, counted from 1.';

CREATE FUNCTION df.join_settled(VARIADIC branches text[]) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_join_settled_wrapper';
COMMENT ON FUNCTION df.join_settled(text[]) IS
    'All at once; waits for all, whatever becomes of each: the result tells of each {"status": "completed", "result": ...} or {"status": "failed", "error": ...}.';

CREATE FUNCTION df.race_any(VARIADIC branches text[]) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_race_any_wrapper';
COMMENT ON FUNCTION df.race_any(text[]) IS
    'All at once; the first to complete wins, the others are cancelled. Fails once all have failed.';

CREATE FUNCTION df.retry(
    fut text, max_attempts integer DEFAULT 3, initial_interval interval DEFAULT '1 second',
    backoff double precision DEFAULT 2.0, max_interval interval DEFAULT '100 seconds', jitter text DEFAULT 'full',
    retry_on text[] DEFAULT '{transient}', except_on text[] DEFAULT '{}', max_duration interval DEFAULT NULL,
    on_exhausted text DEFAULT 'fail') RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'graph_retry_wrapper';
COMMENT ON FUNCTION df.retry(
    text, integer, interval, double precision, interval, text, text[], text[], interval, text) IS
    'fut, and again after a growing interval where it fails with what retry_on names: SQLSTATEs, classes as 40*, transient, timeout, http, all.';

CREATE FUNCTION df.timeout(fut text, duration interval) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_timeout_wrapper';
COMMENT ON FUNCTION df.timeout(text, interval) IS
    'fut, which fails with PDT01 where it has not completed so long after it was reached; what it runs is interrupted.';

CREATE FUNCTION df.catch(body text, handler text, errors text[] DEFAULT '{all}', name text DEFAULT 'error') RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'graph_catch_wrapper';
COMMENT ON FUNCTION df.catch(text, text, text[], text) IS
    'body and, where that fails with one of errors, handler, which reads the failure as $error.sqlstate, $error.message and so on.';

CREATE FUNCTION df.fail(
    message text, sqlstate text DEFAULT 'P0001', detail text DEFAULT NULL, hint text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'graph_fail_wrapper';
COMMENT ON FUNCTION df.fail(text, text, text, text) IS
    'Fails with this message, in which references such as $order.id may stand.';

CREATE FUNCTION df.wait_for_signal(name text, timeout_seconds integer DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'graph_wait_for_signal_wrapper';
COMMENT ON FUNCTION df.wait_for_signal(text, integer) IS
    'Consumes the oldest signal of this name, or waits for one; NULL waits for ever.';

-- What the operators call.
CREATE FUNCTION df.as_op(fut text, name text) RETURNS text
    IMMUTABLE STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_as_wrapper';
CREATE FUNCTION df.if_then_op(condition text, then_branch text) RETURNS text
    IMMUTABLE STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_if_then_op_wrapper';
CREATE FUNCTION df.if_else_op(partial_if text, else_branch text) RETURNS text
    IMMUTABLE STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_if_else_op_wrapper';
CREATE FUNCTION df.loop_prefix_op(body text) RETURNS text
    IMMUTABLE STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'graph_loop_prefix_op_wrapper';
COMMENT ON FUNCTION df.as_op(text, text) IS 'What the operator |=> calls: df.as().';
COMMENT ON FUNCTION df.if_then_op(text, text) IS 'What the operator ?> calls: the first half of df.if().';
COMMENT ON FUNCTION df.if_else_op(text, text) IS 'What the operator !> calls: the second half of df.if().';
COMMENT ON FUNCTION df.loop_prefix_op(text) IS 'What the operator @> calls: df.loop() without a condition.';

-- In pg_catalog, so that they are found whatever the search_path is. PostgreSQL gives all of them the same
-- precedence and groups from the left: use parentheses.
CREATE OPERATOR pg_catalog.~> (FUNCTION = df.seq, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR pg_catalog.|=> (FUNCTION = df.as_op, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR pg_catalog.& (FUNCTION = df."join", LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR pg_catalog.| (FUNCTION = df.race, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR pg_catalog.?> (FUNCTION = df.if_then_op, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR pg_catalog.!> (FUNCTION = df.if_else_op, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR pg_catalog.@> (FUNCTION = df.loop_prefix_op, RIGHTARG = text);
