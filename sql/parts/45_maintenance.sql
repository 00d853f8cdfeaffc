-- Maintenance: where instances are at home, and having the engine leave.

CREATE FUNCTION df.adopt(discard boolean DEFAULT false) RETURNS bigint
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'home_adopt_wrapper';
COMMENT ON FUNCTION df.adopt(boolean) IS
    'Lets the workflows of a copy (restored, cloned, made from a template) go on here, or cancels them; returns how many.';

CREATE FUNCTION df.drain(timeout interval DEFAULT '1 minute') RETURNS integer
    STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'maintenance_drain_wrapper';
COMMENT ON FUNCTION df.drain(interval) IS
    'Waits, after pg_durable.enabled was switched off, until no step runs in the whole server; returns how many still do.';

CREATE FUNCTION df.release() RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'maintenance_release_wrapper';
COMMENT ON FUNCTION df.release() IS
    'Has the engine''s processes leave this database until something is started or signalled in it.';

-- Where rows come to df._home, be it with a dump or by replication, the scheduler looks at once.
CREATE FUNCTION df._look_home() RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'home_changed_wrapper';
COMMENT ON FUNCTION df._look_home() IS 'Has the scheduler look where the instances are at home.';
-- As the owner: who may write the table need not be one who may call the engine.
CREATE FUNCTION df._home_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM df._look_home();
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION df._home_changed() IS 'The trigger of df._home.';
CREATE TRIGGER home_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON df._home
    FOR EACH STATEMENT EXECUTE FUNCTION df._home_changed();
ALTER TABLE df._home ENABLE ALWAYS TRIGGER home_changed;

CREATE FUNCTION df._settle() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'home_settle_wrapper';
SELECT df._settle();
DROP FUNCTION df._settle();
