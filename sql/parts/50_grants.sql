-- Who may use the extension: USAGE on schema df is the gate.

CREATE FUNCTION df.grant_usage(
    p_role text, include_http boolean DEFAULT false, with_grant boolean DEFAULT false) RETURNS void
    STRICT LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    option text := CASE WHEN with_grant THEN ' WITH GRANT OPTION' ELSE '' END;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA df TO %I', p_role) || option;
    EXECUTE format('GRANT SELECT ON df.instances, df.nodes, df.signals TO %I', p_role) || option;
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON df.vars TO %I', p_role) || option;
    IF with_grant THEN
        EXECUTE format('GRANT EXECUTE ON FUNCTION df.grant_usage(text, boolean, boolean) TO %I', p_role) || option;
        EXECUTE format('GRANT EXECUTE ON FUNCTION df.revoke_usage(text) TO %I', p_role) || option;
        EXECUTE format('GRANT EXECUTE ON FUNCTION df.metrics() TO %I', p_role) || option;
    END IF;
    RAISE NOTICE 'pg_durable: granted df usage privileges to "%"', p_role;
END
$$;
COMMENT ON FUNCTION df.grant_usage(text, boolean, boolean) IS
    'Lets a role use pg_durable; include_http is kept for the HTTP steps of a later version.';

CREATE FUNCTION df.revoke_usage(p_role text) RETURNS void
    STRICT LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('REVOKE ALL ON df.instances, df.nodes, df.signals, df.vars FROM %I CASCADE', p_role);
    EXECUTE format('REVOKE ALL ON FUNCTION df.grant_usage(text, boolean, boolean) FROM %I CASCADE', p_role);
    EXECUTE format('REVOKE ALL ON FUNCTION df.revoke_usage(text) FROM %I CASCADE', p_role);
    EXECUTE format('REVOKE ALL ON FUNCTION df.metrics() FROM %I CASCADE', p_role);
    EXECUTE format('REVOKE ALL ON SCHEMA df FROM %I CASCADE', p_role);
    RAISE NOTICE 'pg_durable: revoked df usage privileges granted by "%" from "%"', current_user, p_role;
END
$$;
COMMENT ON FUNCTION df.revoke_usage(text) IS 'Takes back what df.grant_usage() gave.';

CREATE FUNCTION df.cross_database() RETURNS boolean
    STABLE PARALLEL SAFE LANGUAGE sql
    BEGIN ATOMIC
        SELECT true;
    END;
COMMENT ON FUNCTION df.cross_database() IS
    'A right, not a function: who may execute it may have steps run in another database (pg_durable.cross_database = granted).';

REVOKE EXECUTE ON FUNCTION df.cross_database() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION df.metrics() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION df.grant_usage(text, boolean, boolean) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION df.revoke_usage(text) FROM PUBLIC;

-- The engine starts to serve this database when this transaction commits.
CREATE FUNCTION df._announce() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'announce_wrapper';
SELECT df._announce();
DROP FUNCTION df._announce();
