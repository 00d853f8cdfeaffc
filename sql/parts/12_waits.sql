-- What waits, by what it waits for. The rows of the nodes say it too, but nothing that a checkpoint changes there is
-- indexed. Sleeps, time-outs and back-offs have no rows here.

CREATE TABLE df._waits (
    instance_id varchar(16) NOT NULL,
    node_id     varchar(16) NOT NULL,
    generation  bigint NOT NULL,
    kind        text NOT NULL,
    name        text,
    wake_at     timestamptz,
    since       timestamptz NOT NULL,
    guards      text[],
    CONSTRAINT _waits_pkey PRIMARY KEY (instance_id, node_id, generation)
);
-- The generation is in the key although a node waits in one only: a loop that waits would meet its own dead rows, which
-- an old snapshot keeps.
CREATE INDEX idx_waits_kind ON df._waits (kind, name, since);
ALTER TABLE df._waits ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('df._waits', '');

COMMENT ON TABLE df._waits IS 'Waits for something from outside, each from the commit that leads to it to the one that ends it.';
COMMENT ON COLUMN df._waits.guards IS
    'The RACEs and LOOPs that may give the wait up, as node:generation: once one of them is over, so is the wait.';
