-- Tables: the state of every workflow. Users read them through row-level security; only the extension's
-- functions and its executors write them, as the owner.

CREATE FUNCTION pg_catalog.pg_durable_check_preload() RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'check_preload_wrapper';
SELECT pg_catalog.pg_durable_check_preload();
DROP FUNCTION pg_catalog.pg_durable_check_preload();

-- No IF NOT EXISTS: a schema that somebody else made must not be taken over.
CREATE SCHEMA df;

-- A regrole to all who read it, but that it takes names of roles that do not exist: of a dump with the workflows of many
-- roles, one that is missing costs only its own. df.adopt() finds them when they have come.
CREATE TYPE df.role;
CREATE FUNCTION df._role_in(cstring) RETURNS df.role
    STABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'role_in_wrapper';
CREATE FUNCTION df._role_out(df.role) RETURNS cstring
    STABLE STRICT PARALLEL SAFE LANGUAGE internal AS 'regroleout';
CREATE FUNCTION df._role_recv(internal) RETURNS df.role
    IMMUTABLE STRICT PARALLEL SAFE LANGUAGE internal AS 'regrolerecv';
CREATE FUNCTION df._role_send(df.role) RETURNS bytea
    IMMUTABLE STRICT PARALLEL SAFE LANGUAGE internal AS 'regrolesend';
CREATE TYPE df.role (
    INPUT = df._role_in, OUTPUT = df._role_out, RECEIVE = df._role_recv, SEND = df._role_send,
    LIKE = pg_catalog.oid, CATEGORY = 'N'
);
COMMENT ON TYPE df.role IS 'A regrole that may name a role that does not exist.';
COMMENT ON FUNCTION df._role_in(cstring) IS 'Reads a df.role.';
COMMENT ON FUNCTION df._role_out(df.role) IS 'Writes a df.role.';
COMMENT ON FUNCTION df._role_recv(internal) IS 'Reads a df.role from its binary form.';
COMMENT ON FUNCTION df._role_send(df.role) IS 'Writes the binary form of a df.role.';
CREATE CAST (df.role AS regrole) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (df.role AS oid) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (regrole AS df.role) WITHOUT FUNCTION AS IMPLICIT;

-- The one rule of whose rows somebody sees, for the policies and for all functions. Plain in the policies, so that the
-- planner sees the roles and an index may serve.
CREATE FUNCTION df._roles() RETURNS oid[]
    STABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'fleet_roles_wrapper';
COMMENT ON FUNCTION df._roles() IS 'The current role and those whose rights it has as their member.';

CREATE SEQUENCE df.instance_number;

-- Where the instances of this database are at home. The row is dumped with them, and a new place has one of its own:
-- where another one is, they are held until df.adopt().
CREATE TABLE df._home (
    system_identifier bigint NOT NULL,
    database_oid      oid NOT NULL,
    cluster_name      text NOT NULL
);
-- No key: what is restored into the place that it came from is a second row. Replicated all the same.
ALTER TABLE df._home REPLICA IDENTITY FULL;
COMMENT ON TABLE df._home IS 'Where the instances of this database are at home: see df.adopt().';

CREATE TABLE df.instances (
    id              varchar(16) NOT NULL,
    label           text,
    root_node       varchar(16) NOT NULL,
    submitted_by    df.role NOT NULL,
    database        text,
    vars            jsonb,
    input           jsonb,
    workflow        text,
    version         integer,
    called_by       df.role,
    durability      text NOT NULL,
    idempotency_key text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    status          text NOT NULL DEFAULT 'pending',
    updated_at      timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz,
    completed_at    timestamptz,
    failed_node     varchar(16),
    error           text,
    sqlstate        text,
    message         text,
    detail          text,
    hint            text,
    context         text,
    cancelled_by    df.role,
    attributes      jsonb,
    trace_context   text,
    CONSTRAINT instances_pkey PRIMARY KEY (id),
    CONSTRAINT instances_status_chk
        CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    -- What has no end is found by idx_instances_unfinished.
    CONSTRAINT instances_completed_at_chk
        CHECK ((completed_at IS NULL) = (status IN ('pending', 'running')))
) WITH (fillfactor = 70);

-- Every one costs each start, and each change of a status: the partial ones for those that they hold. There is none by
-- created_at alone: a list of all merges those of the statuses.
CREATE INDEX idx_instances_status ON df.instances (status, created_at DESC, id);
CREATE INDEX idx_instances_submitted_by ON df.instances (submitted_by, created_at DESC, id);
CREATE INDEX idx_instances_called_by ON df.instances (called_by, created_at DESC, id) WHERE called_by IS NOT NULL;
CREATE INDEX idx_instances_workflow ON df.instances (workflow, created_at DESC, id) WHERE workflow IS NOT NULL;
-- What is unfinished of each role, for the scheduler to take up in turn and for quotas.
CREATE INDEX idx_instances_unfinished ON df.instances (submitted_by, created_at, id) WHERE completed_at IS NULL;
CREATE INDEX idx_instances_label ON df.instances (label, created_at DESC, id) WHERE label IS NOT NULL;
-- In the order of a list, whose pages are to be short although many have ended at one moment.
CREATE INDEX idx_instances_completed_at ON df.instances (completed_at, id DESC) WHERE completed_at IS NOT NULL;
CREATE INDEX idx_instances_attributes ON df.instances USING gin (attributes jsonb_path_ops)
    WHERE attributes IS NOT NULL;
CREATE UNIQUE INDEX idx_instances_idempotency_key ON df.instances (submitted_by, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

COMMENT ON TABLE df.instances IS 'One row for each started workflow.';
COMMENT ON COLUMN df.instances.submitted_by IS 'The role that called df.start(); every step runs as this role.';
COMMENT ON COLUMN df.instances.database IS 'The database in which the steps run; NULL is this one.';
COMMENT ON COLUMN df.instances.vars IS 'The variables of df.vars as they were at df.start().';
COMMENT ON COLUMN df.instances.input IS 'What df.start() or df.run() was given as input: $input in the steps.';
COMMENT ON COLUMN df.instances.workflow IS 'The registered workflow that df.run() started; NULL for one of df.start().';
COMMENT ON COLUMN df.instances.called_by IS
    'The role that called df.run(), where the workflow runs as its owner: it sees this row and not the nodes.';
COMMENT ON COLUMN df.instances.durability IS
    'step or barrier: what df.start() was told, or pg_durable.checkpoint_durability in its session.';
COMMENT ON COLUMN df.instances.started_at IS 'When an executor had it first.';
COMMENT ON COLUMN df.instances.completed_at IS 'When the instance became completed, failed or cancelled.';
COMMENT ON COLUMN df.instances.failed_node IS 'The node whose failure failed the instance.';
COMMENT ON COLUMN df.instances.cancelled_by IS 'The role that called df.cancel().';
COMMENT ON COLUMN df.instances.attributes IS 'What the instance is found by; kept for a later version.';
COMMENT ON COLUMN df.instances.trace_context IS 'The trace that it belongs to; kept for a later version.';

-- The columns that a checkpoint changes stand last, so that the log holds little more than them; most of each
-- page is left free, so that a checkpoint stays in its page (HOT).
CREATE TABLE df.nodes (
    id              varchar(16) NOT NULL,
    instance_id     varchar(16) NOT NULL,
    node_type       text NOT NULL,
    query           text,
    params          jsonb,
    result_name     text,
    left_node       varchar(16),
    right_node      varchar(16),
    submitted_by    df.role,
    database        text,
    created_at      timestamptz DEFAULT now(),
    status          text NOT NULL DEFAULT 'pending',
    generation      bigint NOT NULL DEFAULT 0,
    iteration       bigint NOT NULL DEFAULT 0,
    updated_at      timestamptz DEFAULT now(),
    started_at      timestamptz,
    wake_at         timestamptz,
    waiting_for     text,
    result          jsonb,
    result_columns  jsonb,
    at_least_once   boolean,
    deaths          integer,
    died_in         bigint,
    attempt         integer,
    tries           integer,
    next_attempt_at timestamptz,
    error           text,
    sqlstate        text,
    message         text,
    detail          text,
    hint            text,
    context         text,
    status_details  jsonb,
    CONSTRAINT nodes_pkey PRIMARY KEY (instance_id, id)
) USING heap WITH (fillfactor = 40);

COMMENT ON TABLE df.nodes IS 'The graph of every instance, and how far it has come.';
COMMENT ON COLUMN df.nodes.params IS 'The values of $1, $2, ... in query; NULL where it binds none.';
COMMENT ON COLUMN df.nodes.submitted_by IS 'The role that called df.start().';
COMMENT ON COLUMN df.nodes.generation IS
    'The generation of the enclosing loop in which status and result were written; of an older one they no longer count.';
COMMENT ON COLUMN df.nodes.iteration IS 'LOOP: the present generation of its body. RACE: the winning branch, from 0. RETRY: that of the attempt.
A leaf: how many attempts have failed. CATCH: 1 once its handler is carried out.';
COMMENT ON COLUMN df.nodes.started_at IS
    'When the node began, in its generation: a wait when it was reached, a step with the transaction that it has ended in.';
COMMENT ON COLUMN df.nodes.result_columns IS 'Names and types of the result''s columns, in order; of a JOIN those of its branches.';
COMMENT ON COLUMN df.nodes.at_least_once IS
    'True when the step committed by itself, so that its effect and its checkpoint were not one transaction.';
COMMENT ON COLUMN df.nodes.deaths IS
    'How often a server process died while it carried out this node, in the generation died_in.';
COMMENT ON COLUMN df.nodes.attempt IS
    'Which attempt has completed, failed or is to come; NULL where there was one. error and sqlstate are of the last that failed.';
COMMENT ON COLUMN df.nodes.tries IS
    'How often the engine has tried to store what the node left since the row was written last.';
COMMENT ON COLUMN df.nodes.next_attempt_at IS 'When it is tried again.';
COMMENT ON COLUMN df.nodes.status_details IS 'Which generation the state belongs to.';

-- Signals wait here until a node consumes them. What was consumed stays until it cannot be given back any more: once no
-- RACE around the consumer is undecided, a loop's go with its next pass, and the others with the instance.
CREATE TABLE df.signals (
    id                  bigint GENERATED ALWAYS AS IDENTITY,
    instance_id         varchar(16) NOT NULL,
    name                text NOT NULL,
    payload             jsonb,
    sent_by             df.role NOT NULL,
    sent_at             timestamptz NOT NULL DEFAULT now(),
    idempotency_key     text,
    consumed_by         varchar(16),
    consumed_generation bigint,
    consumed_in         bigint[],
    CONSTRAINT signals_pkey PRIMARY KEY (instance_id, id)
);
CREATE INDEX idx_signals_unconsumed ON df.signals (instance_id, name, id) WHERE consumed_by IS NULL;
CREATE INDEX idx_signals_consumed ON df.signals (instance_id, consumed_by) WHERE consumed_by IS NOT NULL;
CREATE UNIQUE INDEX idx_signals_idempotency_key ON df.signals (instance_id, name, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
COMMENT ON TABLE df.signals IS 'Signals that were sent. Roles see those that were not consumed yet.';
COMMENT ON COLUMN df.signals.id IS 'The order in which signals are consumed.';
COMMENT ON COLUMN df.signals.idempotency_key IS 'A second signal of this name and key is not stored.';
COMMENT ON COLUMN df.signals.consumed_by IS 'The node that has consumed it, unless the node''s branch has lost a RACE.';
COMMENT ON COLUMN df.signals.consumed_generation IS 'The generation of that node.';
COMMENT ON COLUMN df.signals.consumed_in IS 'The generations of all loops around that node, from the outside.';

-- The attempts that have failed and that a RETRY counts; a success is the node's row.
CREATE TABLE df._attempts (
    instance_id varchar(16) NOT NULL,
    node_id     varchar(16) NOT NULL,
    generation  bigint NOT NULL,
    attempt     integer NOT NULL,
    started_at  timestamptz,
    ended_at    timestamptz NOT NULL,
    sqlstate    text NOT NULL,
    message     text,
    detail      text,
    CONSTRAINT _attempts_pkey PRIMARY KEY (instance_id, node_id, generation, attempt)
);
COMMENT ON TABLE df._attempts IS
    'The failed attempts at nodes that are tried again, pg_durable.attempts_kept of each; shown by df.attempts().';

CREATE TABLE df.vars (
    name  text NOT NULL,
    value text,
    owner df.role NOT NULL DEFAULT quote_ident(current_user)::regrole,
    CONSTRAINT vars_pkey PRIMARY KEY (owner, name)
);
COMMENT ON TABLE df.vars IS 'Variables of each role; df.start() takes a copy.';

-- pg_dump carries running workflows.
SELECT pg_catalog.pg_extension_config_dump('df._home', '');
SELECT pg_catalog.pg_extension_config_dump('df.instance_number', '');
SELECT pg_catalog.pg_extension_config_dump('df.instances', '');
SELECT pg_catalog.pg_extension_config_dump('df.nodes', '');
SELECT pg_catalog.pg_extension_config_dump('df.signals', '');
SELECT pg_catalog.pg_extension_config_dump('df.signals_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('df._attempts', '');
SELECT pg_catalog.pg_extension_config_dump('df.vars', '');

ALTER TABLE df._home ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.instances ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.nodes ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.signals ENABLE ROW LEVEL SECURITY;
ALTER TABLE df._attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.vars ENABLE ROW LEVEL SECURITY;

-- For SELECT only: nobody but the owner writes them, whatever rights a role has on all tables.
CREATE POLICY instances_user_isolation ON df.instances FOR SELECT
    USING (submitted_by = ANY (df._roles()) OR called_by = ANY (df._roles()));
CREATE POLICY nodes_user_isolation ON df.nodes FOR SELECT
    USING (submitted_by = ANY (df._roles()));
CREATE POLICY signals_user_isolation ON df.signals FOR SELECT
    USING (consumed_by IS NULL AND EXISTS (SELECT FROM df.instances AS i WHERE i.id = signals.instance_id));
CREATE POLICY attempts_user_isolation ON df._attempts FOR SELECT
    USING (EXISTS (SELECT FROM df.instances AS i WHERE i.id = _attempts.instance_id));
CREATE POLICY vars_user_isolation ON df.vars
    USING (owner = quote_ident(current_user)::regrole)
    WITH CHECK (owner = quote_ident(current_user)::regrole);
