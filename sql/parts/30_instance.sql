-- Running, steering and reading instances.

CREATE FUNCTION df.start(
    fut text,
    label text DEFAULT NULL,
    database text DEFAULT NULL,
    transaction_mode text DEFAULT 'caller',
    idempotency_key text DEFAULT NULL,
    durability text DEFAULT NULL,
    input jsonb DEFAULT NULL
) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'instance_start_wrapper';
COMMENT ON FUNCTION df.start(text, text, text, text, text, text, jsonb) IS
    'Starts a workflow as the current role, with the calling transaction, and returns its id.';

CREATE FUNCTION df.status(instance_id text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'instance_status_wrapper';
COMMENT ON FUNCTION df.status(text) IS 'pending, running, completed, failed or cancelled; NULL for an unknown id.';

CREATE FUNCTION df._called_result(instance_id text) RETURNS text
    STABLE STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'workflow_called_result_wrapper';
COMMENT ON FUNCTION df._called_result(text) IS
    'The result of an instance that the current role has called and that ran as somebody else.';

CREATE FUNCTION df.result(instance_id text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'instance_result_wrapper';
COMMENT ON FUNCTION df.result(text) IS 'The result of a completed instance as JSON; NULL while it runs and when it failed.';

CREATE FUNCTION df._whole_result(instance_id text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'instance_whole_result_wrapper';
COMMENT ON FUNCTION df._whole_result(text) IS
    'What df.result returns, with the names and types of the columns in their order: {"result": ..., "layout": ...}.';

CREATE FUNCTION df.error(
    instance_id text,
    OUT failed_node text,
    OUT sqlstate text,
    OUT message text,
    OUT detail text,
    OUT hint text,
    OUT context text
) RETURNS SETOF record
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'instance_error_wrapper';
COMMENT ON FUNCTION df.error(text) IS 'Why an instance failed or was cancelled; no row when it did not.';

CREATE FUNCTION df.run(instance_id text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'instance_run_wrapper';
COMMENT ON FUNCTION df.run(text) IS
    'Runs a registered workflow with the input {}; or has the engine look again at one instance, or at all pending ones.';

CREATE FUNCTION df.cancel(instance_id text, reason text DEFAULT 'Cancelled by user') RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'instance_cancel_wrapper';
COMMENT ON FUNCTION df.cancel(text, text) IS 'Cancels an instance and interrupts what it is running.';

CREATE FUNCTION df.signal(
    instance_id     text,
    signal_name     text,
    signal_data     text DEFAULT '{}',
    idempotency_key text DEFAULT NULL
) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'signal_send_wrapper';
COMMENT ON FUNCTION df.signal(text, text, text, text) IS
    'Sends a signal with the calling transaction; it is kept until a step consumes it. A second one of the same name under the same key is not stored.';

CREATE FUNCTION df.await_instance(instance_id text, timeout_seconds integer DEFAULT 30) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'instance_await_wrapper';
COMMENT ON FUNCTION df.await_instance(text, integer) IS 'Waits until an instance is terminal and returns its status.';

CREATE FUNCTION df.await_any(instance_ids text[], timeout_seconds double precision DEFAULT 30)
    RETURNS TABLE (instance_id text, status text)
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'instance_await_any_wrapper';
COMMENT ON FUNCTION df.await_any(text[], double precision) IS
    'Waits until at least one of the instances is terminal and returns those that are; none after the time-out.';

CREATE FUNCTION df._ring(bell text) RETURNS void
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'bell_ring_wrapper';
COMMENT ON FUNCTION df._ring(text) IS
    'Ends the calls of df.await_any() that wait for this bell among their ids: 16 hex digits, no instance''s id.';

CREATE FUNCTION df.wait_for_completion(instance_id text, timeout_seconds integer DEFAULT 30) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'instance_wait_for_completion_wrapper';
COMMENT ON FUNCTION df.wait_for_completion(text, integer) IS 'Deprecated: use df.await_instance().';

CREATE FUNCTION df.explain(input text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'instance_explain_wrapper';
COMMENT ON FUNCTION df.explain(text) IS 'Draws a graph, or an instance with how far it has come.';

-- Variables.
CREATE FUNCTION df.setvar(name text, value text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'variable_set_wrapper';
COMMENT ON FUNCTION df.setvar(text, text) IS 'Sets a variable of the current role for {name} in later starts.';
CREATE FUNCTION df.getvar(name text) RETURNS text
    STRICT LANGUAGE sql SET row_security = on
    BEGIN ATOMIC
        SELECT v.value FROM df.vars AS v
        WHERE v.name = getvar.name AND v.owner = quote_ident(current_user)::regrole;
    END;
COMMENT ON FUNCTION df.getvar(text) IS 'The value of a variable, or NULL.';
CREATE FUNCTION df.unsetvar(name text) RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'variable_unset_wrapper';
COMMENT ON FUNCTION df.unsetvar(text) IS 'Removes a variable.';
CREATE FUNCTION df.clearvars() RETURNS text
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'variable_clear_wrapper';
COMMENT ON FUNCTION df.clearvars() IS 'Removes all variables of the current role.';
