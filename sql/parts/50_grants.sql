-- Who may use the extension. USAGE on schema df is the gate; what acts is for those to whom it was granted.

-- What each level consists of. Its marker is what tells that a role has it.
CREATE FUNCTION df._levels()
    RETURNS TABLE (level text, privilege text, kind text, object text, is_marker boolean)
    IMMUTABLE LANGUAGE sql
    BEGIN ATOMIC
        VALUES
            ('usage', 'EXECUTE', 'FUNCTION', 'df.start(text, text, text, text, text, text, jsonb)', true),
            ('usage', 'EXECUTE', 'FUNCTION', 'df.run(text)', false),
            ('usage', 'EXECUTE', 'FUNCTION', 'df.run(text, jsonb, integer, text, text, text)', false),
            ('usage', 'EXECUTE', 'FUNCTION', 'df.cancel(text, text)', false),
            ('usage', 'EXECUTE', 'FUNCTION', 'df.signal(text, text, text, text)', false),
            ('usage', 'EXECUTE', 'FUNCTION',
             'df.register(text, text, integer, jsonb, jsonb, text, text, text, text, jsonb)', false),
            ('usage', 'EXECUTE', 'FUNCTION', 'df.unregister(text, integer)', false),
            ('usage', 'EXECUTE', 'FUNCTION', 'df.grant_run(text, text)', false),
            ('usage', 'EXECUTE', 'FUNCTION', 'df.revoke_run(text, text)', false),
            ('usage', 'EXECUTE', 'FUNCTION', 'df.setvar(text, text)', false),
            ('usage', 'EXECUTE', 'FUNCTION', 'df.unsetvar(text)', false),
            ('usage', 'EXECUTE', 'FUNCTION', 'df.clearvars()', false),
            ('usage', 'EXECUTE', 'FUNCTION', 'df.advance_clock(interval)', false),
            ('usage', 'SELECT', 'TABLE', 'df.instances', false),
            ('usage', 'SELECT', 'TABLE', 'df.nodes', false),
            ('usage', 'SELECT', 'TABLE', 'df.signals', false),
            ('usage', 'SELECT', 'TABLE', 'df._attempts', false),
            ('usage', 'SELECT', 'TABLE', 'df.vars', false),
            ('usage', 'INSERT', 'TABLE', 'df.vars', false),
            ('usage', 'UPDATE', 'TABLE', 'df.vars', false),
            ('usage', 'DELETE', 'TABLE', 'df.vars', false),
            ('usage', 'USAGE', 'SCHEMA', 'df', false),
            ('usage administrator', 'EXECUTE', 'FUNCTION', 'df.grant_usage(text, boolean, boolean)', true),
            ('usage administrator', 'EXECUTE', 'FUNCTION', 'df.revoke_usage(text)', false),
            ('usage administrator', 'EXECUTE', 'FUNCTION', 'df._grant(text, text[], boolean)', false),
            ('usage administrator', 'EXECUTE', 'FUNCTION', 'df._revoke(text, text[])', false),
            ('usage administrator', 'EXECUTE', 'FUNCTION', 'df.metrics(boolean)', false),
            ('metadata', 'EXECUTE', 'FUNCTION', 'df.fleet_metadata()', true),
            ('metadata', 'EXECUTE', 'FUNCTION', 'df.metrics(boolean)', false),
            ('metadata', 'USAGE', 'SCHEMA', 'df', false),
            ('read', 'EXECUTE', 'FUNCTION', 'df.fleet_read()', true),
            ('operate', 'EXECUTE', 'FUNCTION', 'df.fleet_operate()', true),
            ('operate', 'EXECUTE', 'FUNCTION', 'df.cancel(text, text)', false),
            ('operate', 'EXECUTE', 'FUNCTION', 'df.signal(text, text, text, text)', false),
            ('fleet administrator', 'EXECUTE', 'FUNCTION', 'df.grant_fleet(text, text, boolean)', true),
            ('fleet administrator', 'EXECUTE', 'FUNCTION', 'df.revoke_fleet(text, text)', false),
            ('fleet administrator', 'EXECUTE', 'FUNCTION', 'df._grant(text, text[], boolean)', false),
            ('fleet administrator', 'EXECUTE', 'FUNCTION', 'df._revoke(text, text[])', false);
    END;
COMMENT ON FUNCTION df._levels() IS 'The rights of which the levels consist that df.grant_usage() and df.grant_fleet() give.';

CREATE FUNCTION df._grant(p_role text, p_levels text[], with_grant boolean) RETURNS void
    STRICT LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    given record;
    option CONSTANT text := CASE WHEN with_grant THEN ' WITH GRANT OPTION' ELSE '' END;
    lacking text;
BEGIN
    FOR given IN
        SELECT l.privilege, l.kind, string_agg(DISTINCT l.object, ', ' ORDER BY l.object) AS objects
        FROM df._levels() AS l WHERE l.level = ANY (p_levels) GROUP BY l.privilege, l.kind
    LOOP
        EXECUTE format('GRANT %s ON %s %s TO %I%s', given.privilege, given.kind, given.objects, p_role, option);
    END LOOP;
    -- Who has a right and may not pass it on gets a warning only from GRANT.
    SELECT string_agg(DISTINCT l.object, ', ' ORDER BY l.object) INTO lacking
    FROM df._levels() AS l
    WHERE l.level = ANY (p_levels)
      AND NOT CASE l.kind
          WHEN 'SCHEMA' THEN has_schema_privilege(p_role, l.object, l.privilege || option)
          WHEN 'TABLE' THEN has_table_privilege(p_role, l.object, l.privilege || option)
          ELSE has_function_privilege(p_role, l.object, l.privilege || option)
      END;
    IF lacking IS NOT NULL THEN
        RAISE EXCEPTION 'role "%" may not give "%" all of that', current_user, p_role
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('It has no grant option for %s.', lacking),
                  HINT = 'Have a superuser do it, or one to whom all of it was granted with_grant => true.';
    END IF;
END
$$;
COMMENT ON FUNCTION df._grant(text, text[], boolean) IS 'Gives a role the rights of levels, or raises.';

CREATE FUNCTION df._revoke(p_role text, p_levels text[]) RETURNS void
    STRICT LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    role_oid CONSTANT oid := CASE WHEN p_role = 'public' THEN 0 ELSE quote_ident(p_role)::regrole::oid END;
    taken record;
BEGIN
    FOR taken IN
        -- What the current role, or the owner if it acts as that, has given.
        WITH given AS (
            SELECT l.level, l.is_marker, l.kind, l.object, a.is_grantable
            FROM df._levels() AS l,
                 LATERAL (
                     SELECT p.proacl, p.proowner FROM pg_proc AS p
                     WHERE p.oid = CASE WHEN l.kind = 'FUNCTION' THEN l.object::regprocedure END
                     UNION ALL
                     SELECT c.relacl, c.relowner FROM pg_class AS c
                     WHERE c.oid = CASE WHEN l.kind = 'TABLE' THEN l.object::regclass END
                     UNION ALL
                     SELECT n.nspacl, n.nspowner FROM pg_namespace AS n
                     WHERE n.oid = CASE WHEN l.kind = 'SCHEMA' THEN l.object::regnamespace END
                 ) AS o (acl, owner),
                 LATERAL aclexplode(o.acl) AS a
            WHERE a.grantee = role_oid
              AND CASE WHEN pg_has_role(o.owner, 'USAGE') THEN a.grantor = o.owner ELSE pg_has_role(a.grantor, 'USAGE') END
        ), kept AS (
            -- Each other level that it has given needs its rights whole, and its grant option if it has one.
            SELECT l.kind, l.object, bool_or(g.is_grantable) AS is_grantable
            FROM given AS g JOIN df._levels() AS l USING (level)
            WHERE g.is_marker AND g.level <> ALL (p_levels)
            GROUP BY l.kind, l.object
        )
        SELECT w.what, g.kind, string_agg(DISTINCT g.object, ', ') AS objects
        FROM given AS g
             LEFT JOIN kept AS k USING (kind, object),
             LATERAL (
                 SELECT CASE WHEN k.object IS NULL THEN 'ALL'
                             WHEN g.is_grantable AND NOT k.is_grantable THEN 'GRANT OPTION FOR ALL' END
             ) AS w (what)
        WHERE g.level = ANY (p_levels) AND w.what IS NOT NULL
        GROUP BY w.what, g.kind
    LOOP
        EXECUTE format('REVOKE %s ON %s %s FROM %I CASCADE', taken.what, taken.kind, taken.objects, p_role);
    END LOOP;
END
$$;
COMMENT ON FUNCTION df._revoke(text, text[]) IS
    'Takes from a role the rights of levels that the current role gave, but for those that another level needs.';

CREATE FUNCTION df.grant_usage(
    p_role text, include_http boolean DEFAULT false, with_grant boolean DEFAULT false) RETURNS void
    STRICT LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM df._grant(p_role, ARRAY['usage'] || CASE WHEN with_grant THEN ARRAY['usage administrator'] END, with_grant);
    RAISE NOTICE 'pg_durable: granted df usage privileges to "%"', p_role;
END
$$;
COMMENT ON FUNCTION df.grant_usage(text, boolean, boolean) IS
    'Lets a role use pg_durable; include_http is kept for the HTTP steps of a later version.';

CREATE FUNCTION df.revoke_usage(p_role text) RETURNS void
    STRICT LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM df._revoke(p_role, ARRAY['usage', 'usage administrator']);
    RAISE NOTICE 'pg_durable: revoked df usage privileges granted by "%" from "%"', current_user, p_role;
END
$$;
COMMENT ON FUNCTION df.revoke_usage(text) IS 'Takes back what df.grant_usage() gave.';

CREATE FUNCTION df._fleet_levels(p_level text) RETURNS text[]
    STRICT LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    levels CONSTANT text[] := ARRAY['metadata', 'read', 'operate'];
    place CONSTANT integer := array_position(levels, p_level);
BEGIN
    IF place IS NULL THEN
        RAISE EXCEPTION 'unknown level "%"', p_level
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use metadata, read or operate.';
    END IF;
    RETURN levels[:place];
END
$$;
COMMENT ON FUNCTION df._fleet_levels(text) IS 'A level of df.grant_fleet() and those that it includes.';

CREATE FUNCTION df.grant_fleet(p_role text, p_level text, with_grant boolean DEFAULT false) RETURNS void
    STRICT LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM df._grant(
        p_role,
        df._fleet_levels(p_level) || CASE WHEN with_grant THEN ARRAY['fleet administrator'] END,
        with_grant);
    RAISE NOTICE 'pg_durable: granted fleet level % to "%"', p_level, p_role;
END
$$;
COMMENT ON FUNCTION df.grant_fleet(text, text, boolean) IS
    'Lets a role see (metadata, read) or also steer (operate) the instances of all roles.';

CREATE FUNCTION df.revoke_fleet(p_role text, p_level text DEFAULT 'metadata') RETURNS void
    STRICT LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    lower_levels CONSTANT text[] := array_remove(df._fleet_levels(p_level), p_level);
    levels text[] := ARRAY(SELECT l FROM unnest(df._fleet_levels('operate')) AS l WHERE l <> ALL (lower_levels));
BEGIN
    IF lower_levels = '{}' THEN
        levels := levels || ARRAY['fleet administrator'];
    END IF;
    PERFORM df._revoke(p_role, levels);
    RAISE NOTICE 'pg_durable: revoked fleet level % granted by "%" from "%"', p_level, current_user, p_role;
END
$$;
COMMENT ON FUNCTION df.revoke_fleet(text, text) IS
    'Takes back this level of df.grant_fleet() and those above it; without one, all of it.';

CREATE FUNCTION df.cross_database() RETURNS boolean
    STABLE PARALLEL SAFE LANGUAGE sql
    BEGIN ATOMIC
        SELECT true;
    END;
COMMENT ON FUNCTION df.cross_database() IS
    'A right, not a function: who may execute it may have steps run in another database (pg_durable.cross_database = granted).';

REVOKE EXECUTE ON FUNCTION df.cross_database() FROM PUBLIC;
-- The trigger of df._home calls it as the owner.
REVOKE EXECUTE ON FUNCTION df._look_home() FROM PUBLIC;
DO $$
DECLARE
    functions CONSTANT text :=
        (SELECT string_agg(DISTINCT l.object, ', ') FROM df._levels() AS l WHERE l.kind = 'FUNCTION');
BEGIN
    EXECUTE 'REVOKE EXECUTE ON FUNCTION ' || functions || ' FROM PUBLIC';
END
$$;

-- Monitoring tools find the figures without a grant of ours.
GRANT USAGE ON SCHEMA df TO pg_monitor;
GRANT EXECUTE ON FUNCTION df.metrics(boolean), df.walls(), df.workers() TO pg_monitor;

-- The engine starts to serve this database when this transaction commits.
CREATE FUNCTION df._announce() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'announce_wrapper';
SELECT df._announce();
DROP FUNCTION df._announce();
