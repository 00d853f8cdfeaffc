//! `df._waits`: what waits for something from outside, by what it waits for.
//!
//! A row is there from the transaction that leads to a wait to the one that ends it. Of a wait that is given up it may stay
//! behind, where another executor reached it at the moment of the decision: whoever reads it asks its guards, too.

use pg_durable_graph::NodeId;
use pg_durable_graph::progress::Guard;

use crate::pg::spi::{self, Arg, Session, statement};
use crate::pg::{heap, xact};

static WAITS: heap::Table = heap::Table {
    name: c"_waits",
    columns: &[c"instance_id", c"node_id", c"generation", c"kind", c"name", c"wake_at", c"since", c"guards"],
};
const KEY: &std::ffi::CStr = c"_waits_pkey";

/// A wait that begins.
pub struct Wait<'a> {
    pub instance: &'a str,
    pub node: NodeId,
    pub generation: i64,
    pub kind: &'a str,
    pub name: Option<&'a str>,
    pub wake_at: Option<i64>,
    /// What may give it up, as it stands.
    pub guards: Vec<Guard>,
}

/// Whether one of the `guards` of an instance, both SQL, has come to an end in the generation that it was seen in, or has
/// gone on to another attempt or its handler.
macro_rules! is_any_over {
    ($instance:literal, $guards:literal) => {
        concat!(
            "EXISTS (
                SELECT FROM pg_catalog.unnest(",
            $guards,
            ") AS g (guard)
                     JOIN df.nodes AS n ON n.instance_id OPERATOR(pg_catalog.=) ",
            $instance,
            " AND n.id OPERATOR(pg_catalog.=) pg_catalog.split_part(g.guard, ':', 1)::pg_catalog.varchar
                WHERE n.generation OPERATOR(pg_catalog.>) pg_catalog.split_part(g.guard, ':', 2)::pg_catalog.int8
                   OR n.generation OPERATOR(pg_catalog.=) pg_catalog.split_part(g.guard, ':', 2)::pg_catalog.int8
                      AND (n.status OPERATOR(pg_catalog.=) ANY (ARRAY['completed', 'failed'])
                           OR n.iteration
                              OPERATOR(pg_catalog.>) pg_catalog.split_part(g.guard, ':', 3)::pg_catalog.int8))"
        )
    };
}

/// Whether a wait, `w`, is still one: what has come to an end, or failed, around it may have given it up, while the row
/// of the wait was being written.
pub const IS_LIVE: &str =
    concat!("(w.guards IS NULL OR NOT ", is_any_over!("w.instance_id", "w.guards"), ")");

statement!(
    OVER,
    spi::text(concat!("SELECT WHERE ", is_any_over!("$1::pg_catalog.varchar", "$2"), "\0")),
    [TEXTOID, TEXTARRAYOID]
);

/// Whether what goes on behind these guards has been given up.
pub fn is_any_over(spi: &Session, instance: &str, guards: &[Guard]) -> bool {
    let guards = texts_of(guards);
    let guards: Vec<_> = guards.iter().map(|guard| Some(guard.as_str())).collect();
    spi.run(&OVER, &[Arg::Text(instance), Arg::TextArray(&guards)]).count > 0
}

fn texts_of(guards: &[Guard]) -> Vec<String> {
    let text_of = |Guard { node, generation, iteration }: &Guard| format!("{node}:{generation}:{iteration}");
    guards.iter().map(text_of).collect()
}

statement!(
    INSERT,
    c"INSERT INTO df._waits (instance_id, node_id, generation, kind, name, wake_at, since, guards)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
    [TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTARRAYOID]
);

/// Says that something waits, unless that is said already.
pub fn begin(spi: &Session, wait: &Wait<'_>) {
    let node = wait.node.to_string();
    let guards = texts_of(&wait.guards);
    let guards: Vec<_> = guards.iter().map(|guard| Some(guard.as_str())).collect();
    let row = vec![
        Arg::Text(wait.instance),
        Arg::Text(&node),
        Arg::Int8(wait.generation),
        Arg::Text(wait.kind),
        Arg::text(wait.name),
        Arg::timestamp(wait.wake_at),
        Arg::Timestamp(xact::started_at()),
        if guards.is_empty() { Arg::Null } else { Arg::TextArray(&guards) },
    ];
    if !heap::insert_unless_there(&WAITS, row.clone()) {
        spi.run(&INSERT, &row);
    }
}

/// Whether it is said that this node waits, in this generation.
pub fn is_there(instance: &str, node: NodeId, generation: i64) -> bool {
    let node = node.to_string();
    let mut is_there = false;
    let key = [(0, Arg::Text(instance)), (1, Arg::Text(&node)), (2, Arg::Int8(generation))];
    heap::find(&WAITS, KEY, &key, |_| is_there = true);
    is_there
}

statement!(
    DELETE,
    c"DELETE FROM df._waits AS w
      WHERE w.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND w.node_id OPERATOR(pg_catalog.=) $2::pg_catalog.varchar
        AND ($3::pg_catalog.int8 IS NULL OR w.generation OPERATOR(pg_catalog.=) $3)",
    [TEXTOID, TEXTOID, INT8OID]
);

/// Says that a node does not wait any more: in this generation or, without one, in any.
pub fn end(spi: &Session, instance: &str, node: NodeId, generation: Option<i64>) {
    let node = node.to_string();
    let mut key = vec![(0, Arg::Text(instance)), (1, Arg::Text(&node))];
    key.extend(generation.map(|generation| (2, Arg::Int8(generation))));
    if !heap::remove(&WAITS, KEY, &key) {
        let generation = generation.map_or(Arg::Null, Arg::Int8);
        spi.run(&DELETE, &[Arg::Text(instance), Arg::Text(&node), generation]);
    }
}

statement!(
    DELETE_ALL_OF,
    c"DELETE FROM df._waits AS w WHERE w.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar",
    [TEXTOID]
);

/// Says that nothing of an instance waits any more.
pub fn end_of(spi: &Session, instance: &str) {
    if !heap::remove(&WAITS, KEY, &[(0, Arg::Text(instance))]) {
        spi.run(&DELETE_ALL_OF, &[Arg::Text(instance)]);
    }
}

statement!(
    DELETE_ALL,
    c"DELETE FROM df._waits AS w
      WHERE NOT EXISTS (
          SELECT FROM df.instances AS i
          WHERE i.id OPERATOR(pg_catalog.=) w.instance_id
            AND i.status OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'running']))",
    []
);

/// Forgets the waits of instances that are over, or gone.
pub fn forget_old(spi: &Session) {
    spi.run(&DELETE_ALL, &[]);
}
