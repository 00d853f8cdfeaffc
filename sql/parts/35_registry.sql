-- Registered workflows: graphs with a name and versions, for those whom the owner lets run them.

CREATE TABLE df.workflow_names (
    name  text NOT NULL,
    owner df.role NOT NULL,
    CONSTRAINT workflow_names_pkey PRIMARY KEY (name)
);
COMMENT ON TABLE df.workflow_names IS 'Whose each name is.';

CREATE TABLE df.workflow_versions (
    name          text NOT NULL,
    version       integer NOT NULL,
    graph         text NOT NULL,
    input_schema  jsonb,
    output_schema jsonb,
    signals       jsonb,
    run_as        text NOT NULL,
    durability    text,
    database      text,
    description   text,
    registered_by df.role NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_versions_pkey PRIMARY KEY (name, version),
    CONSTRAINT workflow_versions_version_chk CHECK (version > 0),
    CONSTRAINT workflow_versions_run_as_chk CHECK (run_as IN ('caller', 'owner'))
);
COMMENT ON TABLE df.workflow_versions IS 'What df.register() was given. A version never changes, but for its description.';
COMMENT ON COLUMN df.workflow_versions.signals IS 'The JSON Schemas of signals'' data, by the signals'' names.';

CREATE TABLE df.workflow_grants (
    name       text NOT NULL,
    grantee    df.role NOT NULL,
    granted_by df.role NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_grants_pkey PRIMARY KEY (name, grantee)
);
COMMENT ON TABLE df.workflow_grants IS 'Who may run what, beside the owner; the grantee - is everybody.';

SELECT pg_catalog.pg_extension_config_dump('df.workflow_names', '');
SELECT pg_catalog.pg_extension_config_dump('df.workflow_versions', '');
SELECT pg_catalog.pg_extension_config_dump('df.workflow_grants', '');

-- No policies: only the owner, through the functions and the view below.
ALTER TABLE df.workflow_names ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.workflow_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.workflow_grants ENABLE ROW LEVEL SECURITY;

CREATE VIEW df.workflows WITH (security_barrier) AS
    SELECT v.name, v.version, n.owner, v.run_as, v.input_schema, v.output_schema, v.signals, v.graph, v.durability, v.database,
           v.description, v.registered_by, v.registered_at
    FROM df.workflow_names AS n JOIN df.workflow_versions AS v USING (name)
    WHERE pg_has_role(n.owner, 'USAGE')
       OR EXISTS (
           SELECT FROM df.workflow_grants AS g
           WHERE g.name = n.name AND (g.grantee = 0 OR pg_has_role(g.grantee, 'USAGE')));
COMMENT ON VIEW df.workflows IS 'The registered workflows that the current role may run.';
-- USAGE on the schema is the gate; the view shows each role what it may run.
GRANT SELECT ON df.workflows TO PUBLIC;

CREATE FUNCTION df.register(
    name text,
    graph text,
    version integer DEFAULT NULL,
    input_schema jsonb DEFAULT NULL,
    output_schema jsonb DEFAULT NULL,
    run_as text DEFAULT 'caller',
    durability text DEFAULT NULL,
    database text DEFAULT NULL,
    description text DEFAULT NULL,
    signals jsonb DEFAULT NULL
) RETURNS integer
    LANGUAGE c AS 'MODULE_PATHNAME', 'workflow_register_wrapper';
COMMENT ON FUNCTION df.register(text, text, integer, jsonb, jsonb, text, text, text, text, jsonb) IS
    'Registers a graph under a name and returns its version; the same once more changes nothing.';

CREATE FUNCTION df.check(graph text, input_schema jsonb DEFAULT NULL)
    RETURNS TABLE (path text, sqlstate text, message text, hint text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'graph_check_wrapper';
COMMENT ON FUNCTION df.check(text, jsonb) IS
    'Plans each SQL step as the current role without running it, and tells what is wrong; no rows when all is well.';

CREATE FUNCTION df.unregister(name text, version integer DEFAULT NULL) RETURNS integer
    LANGUAGE c AS 'MODULE_PATHNAME', 'workflow_unregister_wrapper';
COMMENT ON FUNCTION df.unregister(text, integer) IS
    'Removes a version of a workflow, or all of them, and returns how many; instances that run go on.';

CREATE FUNCTION df.run(
    name text,
    input jsonb,
    version integer DEFAULT NULL,
    label text DEFAULT NULL,
    idempotency_key text DEFAULT NULL,
    transaction_mode text DEFAULT 'caller'
) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'workflow_run_wrapper';
COMMENT ON FUNCTION df.run(text, jsonb, integer, text, text, text) IS
    'Starts a registered workflow, by default its newest version, with an input that fits its schema; returns the id.';

CREATE FUNCTION df.grant_run(name text, p_role text) RETURNS void
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'workflow_grant_wrapper';
COMMENT ON FUNCTION df.grant_run(text, text) IS 'Lets a role, or public, run all versions of a workflow.';

CREATE FUNCTION df.revoke_run(name text, p_role text) RETURNS void
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'workflow_revoke_wrapper';
COMMENT ON FUNCTION df.revoke_run(text, text) IS 'Takes back what df.grant_run() gave.';
