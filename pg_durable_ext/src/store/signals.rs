//! `df.signals`.

use pg_durable_graph::NodeId;
use pg_durable_graph::progress::{GivenUp, Position};
use pgrx::pg_sys::Oid;

use crate::pg::spi::{Arg, Session, statement};

/// A signal to be stored.
pub struct NewSignal<'a> {
    pub instance: &'a str,
    pub name: &'a str,
    /// JSON.
    pub payload: &'a str,
    pub sender: Oid,
    pub idempotency_key: Option<&'a str>,
}

statement!(
    INSERT,
    c"INSERT INTO df.signals (instance_id, name, payload, sent_by, idempotency_key)
      VALUES ($1, $2, $3, $4::pg_catalog.regrole, $5)
      ON CONFLICT (instance_id, name, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING",
    [TEXTOID, TEXTOID, JSONBOID, OIDOID, TEXTOID]
);

/// Stores a signal until it is consumed; false where one of its name and key has been stored before.
pub fn insert(spi: &Session, new: &NewSignal<'_>) -> bool {
    let key = Arg::text(new.idempotency_key);
    let args =
        [Arg::Text(new.instance), Arg::Text(new.name), Arg::Jsonb(new.payload), Arg::Oid(new.sender), key];
    spi.run(&INSERT, &args).count == 1
}

statement!(
    WAITING,
    c"SELECT s.instance_id, pg_catalog.sum(s.id)::pg_catalog.int8 FROM df.signals AS s
      WHERE s.consumed_by IS NULL GROUP BY s.instance_id",
    []
);

/// The instances that have signals which nobody has consumed, each with a sum that tells whether others have come.
pub fn waiting(spi: &Session) -> Vec<(String, i64)> {
    let rows = spi.run(&WAITING, &[]);
    (0..rows.count).map(|row| (rows.string(row, 1), rows.int(row, 2).unwrap_or_default())).collect()
}

/// A signal that nobody has consumed, locked.
pub struct Signal {
    pub id: i64,
    /// JSON.
    pub payload: String,
    pub has_key: bool,
}

statement!(
    OLDEST,
    c"SELECT s.id, s.payload, (s.idempotency_key IS NOT NULL)::pg_catalog.int4::pg_catalog.int8
      FROM df.signals AS s
      WHERE s.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar AND s.name OPERATOR(pg_catalog.=) $2
        AND s.consumed_by IS NULL
      ORDER BY s.id LIMIT 1 FOR UPDATE SKIP LOCKED",
    [TEXTOID, TEXTOID]
);

/// The oldest signal of this name.
pub fn oldest(spi: &Session, instance: &str, name: &str) -> Option<Signal> {
    let rows = spi.run(&OLDEST, &[Arg::Text(instance), Arg::Text(name)]);
    (rows.count > 0).then(|| Signal {
        id: rows.int(0, 1).unwrap_or_default(),
        payload: rows.text(0, 2).unwrap_or_else(|| "null".to_owned()),
        has_key: rows.int(0, 3) == Some(1),
    })
}

statement!(
    OLDER,
    c"SELECT FROM df.signals AS s
      WHERE s.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND s.name OPERATOR(pg_catalog.=) ANY ($2) AND s.consumed_by IS NULL AND s.id OPERATOR(pg_catalog.<) $3
      LIMIT 1",
    [TEXTOID, TEXTARRAYOID, INT8OID]
);

/// Whether there is a signal of one of these names that is older than `id`.
pub fn has_older(spi: &Session, instance: &str, names: &[&str], id: i64) -> bool {
    let names: Vec<_> = names.iter().map(|name| Some(*name)).collect();
    spi.run(&OLDER, &[Arg::Text(instance), Arg::TextArray(&names), Arg::Int8(id)]).count > 0
}

statement!(
    DELETE,
    c"DELETE FROM df.signals AS s
      WHERE s.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar AND s.id OPERATOR(pg_catalog.=) $2",
    [TEXTOID, INT8OID]
);

statement!(
    CONSUME,
    c"UPDATE df.signals AS s
      SET consumed_by = $3, consumed_generation = $4, consumed_in = $5::pg_catalog.int8[]
      WHERE s.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar AND s.id OPERATOR(pg_catalog.=) $2",
    [TEXTOID, INT8OID, TEXTOID, INT8OID, TEXTOID]
);

statement!(
    DELETE_SETTLED,
    c"DELETE FROM df.signals AS s
      WHERE s.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND s.consumed_by OPERATOR(pg_catalog.=) $2::pg_catalog.varchar AND s.idempotency_key IS NULL
        AND s.consumed_in[1:pg_catalog.array_length($3::pg_catalog.int8[], 1)]
            OPERATOR(pg_catalog.<>) $3::pg_catalog.int8[]",
    [TEXTOID, TEXTOID, TEXTOID]
);

/// Has a node consume a signal. A loop keeps of its earlier passes what has a key, and what may be given back yet.
pub fn consume(
    spi: &Session,
    instance: &str,
    signal: &Signal,
    node: NodeId,
    generation: i64,
    position: &Position,
) {
    let id = Arg::Int8(signal.id);
    let (may_come_back, is_in_loop) = (position.open_from.is_some(), !position.passes.is_empty());
    if is_in_loop && !may_come_back && !signal.has_key {
        spi.run(&DELETE, &[Arg::Text(instance), id]);
        return;
    }
    let (node, passes) = (node.to_string(), array(&position.passes));
    let (node, generation) = (Arg::Text(&node), Arg::Int8(generation));
    spi.run(&CONSUME, &[Arg::Text(instance), id, node, generation, Arg::Text(&passes)]);
    // What it consumed in a pass that is settled cannot come back any more.
    if let Some(loops @ 1..) = position.open_from {
        let open = array(&position.passes[..loops]);
        spi.run(&DELETE_SETTLED, &[Arg::Text(instance), node, Arg::Text(&open)]);
    }
}

statement!(
    GIVE_BACK,
    c"UPDATE df.signals AS s SET consumed_by = NULL, consumed_generation = NULL, consumed_in = NULL
      WHERE s.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND s.consumed_by OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.varchar[])
        AND s.consumed_in[1:pg_catalog.cardinality($3::pg_catalog.int8[])]
            OPERATOR(pg_catalog.=) $3::pg_catalog.int8[]",
    [TEXTOID, TEXTARRAYOID, TEXTOID]
);

/// Gives back what these nodes have consumed in a branch that was given up; whether there was anything.
pub fn give_back(spi: &Session, instance: &str, nodes: &[NodeId], branch: &GivenUp) -> bool {
    let nodes: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
    let nodes: Vec<_> = nodes.iter().map(|node| Some(node.as_str())).collect();
    let passes = array(&branch.passes);
    spi.run(&GIVE_BACK, &[Arg::Text(instance), Arg::TextArray(&nodes), Arg::Text(&passes)]).count > 0
}

/// Numbers as an array's text.
fn array(numbers: &[i64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}
