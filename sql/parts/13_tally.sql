-- How many instances have ended, counted once: what ended before up_to. Only the scheduler writes it.

CREATE TABLE df._tally (
    up_to      timestamptz NOT NULL,
    completed  bigint NOT NULL,
    failed     bigint NOT NULL,
    cancelled  bigint NOT NULL,
    executions bigint NOT NULL,
    events     bigint NOT NULL
);
-- Replicated although it has no key.
ALTER TABLE df._tally REPLICA IDENTITY FULL;
ALTER TABLE df._tally ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE df._tally IS 'Counts over the instances that ended before up_to: see df.metrics().';

-- Where somebody else brings ended instances, as a restore does, or takes them away, all are counted anew. The lock of
-- this DELETE is kept until the end of the transaction, and the scheduler counts nothing meanwhile. What has ended has an
-- end: lists and counts go by it.
CREATE FUNCTION df._forget_tally() RETURNS trigger
    SECURITY DEFINER LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    DELETE FROM df._tally;
    IF TG_LEVEL = 'STATEMENT' THEN
        RETURN NULL;
    END IF;
    NEW.completed_at := coalesce(NEW.completed_at, NEW.created_at);
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION df._forget_tally() IS 'The trigger of df.instances.';
CREATE TRIGGER tally_insert BEFORE INSERT ON df.instances
    FOR EACH ROW WHEN (NEW.status IN ('completed', 'failed', 'cancelled')) EXECUTE FUNCTION df._forget_tally();
CREATE TRIGGER tally_update BEFORE UPDATE ON df.instances
    FOR EACH ROW WHEN (OLD.status IN ('completed', 'failed', 'cancelled')
        OR NEW.status IN ('completed', 'failed', 'cancelled') AND NEW.completed_at IS NULL)
    EXECUTE FUNCTION df._forget_tally();
CREATE TRIGGER tally_delete AFTER DELETE ON df.instances
    FOR EACH STATEMENT EXECUTE FUNCTION df._forget_tally();
CREATE TRIGGER tally_truncate AFTER TRUNCATE ON df.instances
    FOR EACH STATEMENT EXECUTE FUNCTION df._forget_tally();
ALTER TABLE df.instances ENABLE ALWAYS TRIGGER tally_insert;
ALTER TABLE df.instances ENABLE ALWAYS TRIGGER tally_update;
ALTER TABLE df.instances ENABLE ALWAYS TRIGGER tally_delete;
ALTER TABLE df.instances ENABLE ALWAYS TRIGGER tally_truncate;
