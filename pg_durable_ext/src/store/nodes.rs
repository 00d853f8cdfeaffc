//! `df.nodes`: graphs and checkpoints.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use pg_durable_graph::progress::{Fence, NodeState, StateRow};
use pg_durable_graph::status::NodeStatus;
use pg_durable_graph::stored::StoredNode;
use pg_durable_graph::{Failure, Graph, NodeId};
use pgrx::pg_sys::Oid;

use super::EngineError;
use crate::pg::spi::{self, Arg, Session, Tid, statement};
use crate::pg::{heap, xact};

statement!(
    INSERT,
    c"INSERT INTO df.nodes
          (instance_id, submitted_by, database, id, node_type, query, result_name, left_node, right_node, params)
      SELECT $1, $2::pg_catalog.regrole, $3, n.id, n.node_type, n.query, n.result_name, n.left_node, n.right_node,
             n.params::pg_catalog.jsonb
      FROM ROWS FROM (
          pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7),
          pg_catalog.unnest($8), pg_catalog.unnest($9), pg_catalog.unnest($10))
          AS n (id, node_type, query, result_name, left_node, right_node, params)",
    [
        TEXTOID,
        OIDOID,
        TEXTOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID
    ]
);

/// The columns that [`INSERT`] fills in, with those that have defaults.
static NEW: heap::Table = heap::Table {
    name: c"nodes",
    columns: &[
        c"instance_id",
        c"submitted_by",
        c"database",
        c"id",
        c"node_type",
        c"query",
        c"result_name",
        c"left_node",
        c"right_node",
        c"params",
        c"created_at",
        c"updated_at",
        c"status",
        c"generation",
        c"iteration",
    ],
};

/// Inserts the nodes of a graph, parents first.
pub fn insert(spi: &Session, instance: &str, role: Oid, database: Option<&str>, graph: &Graph) {
    let nodes = graph.to_stored();
    let text = |id: Option<NodeId>| id.map(|id| id.to_string());
    let ids: Vec<String> = nodes.iter().map(|node| node.id.to_string()).collect();
    let left: Vec<Option<String>> = nodes.iter().map(|node| text(node.left_node)).collect();
    let right: Vec<Option<String>> = nodes.iter().map(|node| text(node.right_node)).collect();
    let now = Arg::Timestamp(xact::started_at());
    let row = |place: usize| {
        let node = &nodes[place];
        vec![
            Arg::Text(instance),
            Arg::Oid(role),
            Arg::text(database),
            Arg::Text(&ids[place]),
            Arg::Text(&node.node_type),
            Arg::text(node.query.as_deref()),
            Arg::text(node.result_name.as_deref()),
            Arg::text(left[place].as_deref()),
            Arg::text(right[place].as_deref()),
            Arg::jsonb(node.params.as_deref()),
            now,
            now,
            Arg::Text("pending"),
            Arg::Int8(0),
            Arg::Int8(0),
        ]
    };
    if heap::insert(&NEW, (0..nodes.len()).map(row)) {
        return;
    }
    let ids: Vec<_> = ids.iter().map(|id| Some(id.as_str())).collect();
    let types: Vec<_> = nodes.iter().map(|node| Some(node.node_type.as_ref())).collect();
    let queries: Vec<_> = nodes.iter().map(|node| node.query.as_deref()).collect();
    let names: Vec<_> = nodes.iter().map(|node| node.result_name.as_deref()).collect();
    let left: Vec<_> = left.iter().map(Option::as_deref).collect();
    let right: Vec<_> = right.iter().map(Option::as_deref).collect();
    let params: Vec<_> = nodes.iter().map(|node| node.params.as_deref()).collect();
    spi.run(
        &INSERT,
        &[
            Arg::Text(instance),
            Arg::Oid(role),
            Arg::text(database),
            Arg::TextArray(&ids),
            Arg::TextArray(&types),
            Arg::TextArray(&queries),
            Arg::TextArray(&names),
            Arg::TextArray(&left),
            Arg::TextArray(&right),
            Arg::TextArray(&params),
        ],
    );
}

/// The columns of a [`StoredNode`] and a [`NodeState`].
static READ: heap::Table = heap::Table {
    name: c"nodes",
    columns: &[
        c"instance_id",
        c"id",
        c"node_type",
        c"query",
        c"result_name",
        c"left_node",
        c"right_node",
        c"status",
        c"generation",
        c"iteration",
        c"wake_at",
        c"result",
        c"result_columns",
        c"params",
        c"sqlstate",
        c"message",
        c"detail",
        c"hint",
        c"context",
        c"attempt",
    ],
};

/// The graph of an instance with the state of its nodes and where their rows lie.
pub struct LoadedNodes {
    pub graph: Arc<Graph>,
    pub states: Vec<NodeState>,
    pub places: Vec<Option<Tid>>,
}

/// Loads the nodes of an instance; `None` where there are none. `places` are those at which its rows were seen once, or
/// nothing.
pub fn load(instance: &str, places: &[Option<Tid>]) -> Result<Option<LoadedNodes>, EngineError> {
    let mut rows = Vec::new();
    let is_whole = !places.is_empty()
        && heap::find_at(&READ, places, |row| {
            // A place may have become that of another node's row.
            if row.text(0) == instance && row.text(1) == NodeId(rows.len() as u32).to_string() {
                rows.push((stored(row), state(row), row.place()));
            }
        })
        && rows.len() == places.len();
    if !is_whole {
        rows.clear();
        heap::find(&READ, c"nodes_pkey", &[(0, Arg::Text(instance))], |row| {
            rows.push((stored(row), state(row), row.place()));
        });
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let count = rows.len();
    let mut nodes = Vec::with_capacity(count);
    let mut stored_states = vec![StateRow::default(); count];
    let mut places = vec![None; count];
    for (node, state, place) in rows {
        let node = node?;
        let at = node.id.index();
        if at >= count {
            return Err(EngineError::BadNodeId(node.id.to_string()));
        }
        stored_states[at] = state;
        places[at] = Some(place);
        nodes.push(node);
    }
    let graph = Graph::from_stored(nodes)?;
    let states = graph.iter().zip(stored_states);
    let states = states.map(|((id, node), row)| NodeState::from_row(id, &node.kind, row));
    let states = states.collect::<Result<_, _>>()?;
    Ok(Some(LoadedNodes { graph: Arc::new(graph), states, places }))
}

fn stored(row: &mut heap::Row<'_>) -> Result<StoredNode<'static>, EngineError> {
    let node_id = |text: String| NodeId::parse(&text).ok_or(EngineError::BadNodeId(text));
    Ok(StoredNode {
        id: node_id(row.text(1))?,
        node_type: Cow::Owned(row.text(2)),
        query: row.optional_text(3).map(Cow::Owned),
        params: row.json(13).map(Cow::Owned),
        result_name: row.optional_text(4).map(Cow::Owned),
        left_node: row.optional_text(5).map(node_id).transpose()?,
        right_node: row.optional_text(6).map(node_id).transpose()?,
    })
}

fn state(row: &mut heap::Row<'_>) -> StateRow {
    StateRow {
        status: row.text(7),
        generation: row.int8(8),
        iteration: row.int8(9),
        wake_at: row.optional_int8(10),
        result: row.json(11),
        result_columns: row.json(12),
        attempt: row.optional_int4(19),
        failure: row.optional_text(14).map(|sqlstate| {
            Arc::new(Failure {
                sqlstate,
                message: row.text(15),
                detail: row.optional_text(16),
                hint: row.optional_text(17),
                context: row.optional_text(18),
            })
        }),
    }
}

statement!(
    WRITE,
    spi::text(concat!(
        "UPDATE df.nodes AS n
         SET status = $3, generation = $4, iteration = $5, updated_at = pg_catalog.now(),
             started_at = ",
        include_str!("began.sql"),
        ", wake_at = $6, waiting_for = $7, result = $8, result_columns = $9, at_least_once = $10, attempt = $11,
             tries = NULL, next_attempt_at = NULL, error = NULL, sqlstate = NULL
         WHERE n.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
           AND n.id OPERATOR(pg_catalog.=) $2::pg_catalog.varchar
           AND ",
        include_str!("fence.sql"),
        "RETURNING n.ctid\0"
    )),
    [TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID, JSONBOID, JSONBOID, BOOLOID, INT4OID]
);

/// The columns of a checkpoint: those that the fence reads, then those that change.
static CHECKPOINT: heap::Table = heap::Table {
    name: c"nodes",
    columns: &[
        c"instance_id",
        c"id",
        c"node_type",
        c"status",
        c"generation",
        c"iteration",
        c"updated_at",
        c"wake_at",
        c"waiting_for",
        c"result",
        c"result_columns",
        c"at_least_once",
        c"attempt",
        c"next_attempt_at",
        c"error",
        c"sqlstate",
        c"started_at",
        c"tries",
    ],
};

/// [`WRITE`] for a row whose place is known; nothing where it is not there any more, or the fence holds.
fn write_at(place: Tid, write: &NodeWrite<'_>) -> heap::Updated {
    let new = write.row;
    let change = |row: &mut heap::Row<'_>| {
        let is_it = row.text(0) == write.instance && row.text(1) == write.node;
        let mark = Fence {
            counts: matches!(row.text(2).as_str(), "LOOP" | "RETRY"),
            is_over: row.text(3).parse().is_ok_and(NodeStatus::is_terminal),
            generation: row.int8(4),
            iteration: row.int8(5),
        };
        let now = xact::started_at();
        let has_begun = row.text(3) == "running" && mark.generation == new.generation;
        let began = if has_begun { row.optional_int8(16) } else { None };
        (is_it && mark.accepts(new.generation, new.iteration)).then(|| {
            [
                (3, Arg::Text(&new.status)),
                (4, Arg::Int8(new.generation)),
                (5, Arg::Int8(new.iteration)),
                (6, Arg::Timestamp(now)),
                (7, Arg::timestamp(new.wake_at)),
                (8, Arg::text(write.waiting_for)),
                (9, Arg::jsonb(new.result.as_deref())),
                (10, Arg::jsonb(new.result_columns.as_deref())),
                (11, write.at_least_once.map_or(Arg::Null, Arg::Bool)),
                (12, new.attempt.map_or(Arg::Null, Arg::Int4)),
                (13, Arg::Null),
                (14, Arg::Null),
                (15, Arg::Null),
                (16, Arg::Timestamp(began.unwrap_or(now))),
                (17, Arg::Null),
            ]
        })
    };
    heap::update(&CHECKPOINT, place, change)
}

/// What a node's row is to say.
pub struct NodeWrite<'a> {
    pub instance: &'a str,
    pub node: &'a str,
    /// Where this process saw the row last.
    pub place: Option<Tid>,
    pub row: &'a StateRow,
    /// What users read of the failure of a node that has failed, or whose failure is tried again or handled.
    pub error: Option<&'a str>,
    pub waiting_for: Option<&'a str>,
    pub at_least_once: Option<bool>,
    /// Waits for somebody who has the row locked.
    pub waits: bool,
}

/// What came of a write. But for the first, the caller's transaction must not commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The row lies here now.
    At(Tid),
    /// Somebody else was faster.
    Late,
    /// Somebody has the row locked.
    Held,
}

/// Writes a node's state, if the fence lets it through: see [`Fence::accepts`].
pub fn write(spi: &Session, write: &NodeWrite<'_>) -> Written {
    let args = [
        Arg::Text(write.instance),
        Arg::Text(write.node),
        Arg::Text(&write.row.status),
        Arg::Int8(write.row.generation),
        Arg::Int8(write.row.iteration),
        Arg::timestamp(write.row.wake_at),
        Arg::text(write.waiting_for),
        Arg::jsonb(write.row.result.as_deref()),
        Arg::jsonb(write.row.result_columns.as_deref()),
        write.at_least_once.map_or(Arg::Null, Arg::Bool),
        write.row.attempt.map_or(Arg::Null, Arg::Int4),
    ];
    if let (Some(failure), Some(error)) = (&write.row.failure, write.error) {
        return write_failure(spi, write, failure, error);
    }
    // By its place first: looking a row up by key visits every version of it that an old snapshot keeps alive.
    match write.place.map_or(heap::Updated::Nothing, |place| write_at(place, write)) {
        heap::Updated::To(place) => return Written::At(place),
        heap::Updated::Held if !write.waits => return Written::Held,
        heap::Updated::Held | heap::Updated::Nothing => {}
    }
    written(&spi.run(&WRITE, &args))
}

fn written(rows: &spi::Rows) -> Written {
    match rows.count {
        1 => rows.tid(0, 1).map_or(Written::Late, Written::At),
        _ => Written::Late,
    }
}

statement!(
    WRITE_ROOT,
    c"UPDATE df.nodes AS n
      SET status = 'completed', updated_at = pg_catalog.now(), result = $2, result_columns = $3,
          wake_at = NULL, waiting_for = NULL
      WHERE n.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar AND n.id OPERATOR(pg_catalog.=) '00000000'",
    [TEXTOID, JSONBOID, JSONBOID]
);

/// Writes the result of the root, which `df.result` reads.
pub fn write_root(spi: &Session, instance: &str, result: &str, columns: Option<&str>) {
    spi.run(&WRITE_ROOT, &[Arg::Text(instance), Arg::Jsonb(result), Arg::jsonb(columns)]);
}

statement!(
    WRITE_DERIVED,
    c"UPDATE df.nodes AS n SET status = 'completed', updated_at = pg_catalog.now()
      FROM pg_catalog.unnest($2::pg_catalog.varchar[]) AS d (id)
      WHERE n.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND n.id OPERATOR(pg_catalog.=) d.id
        AND n.status OPERATOR(pg_catalog.<>) 'completed'",
    [TEXTOID, TEXTARRAYOID]
);

/// Marks inner nodes as completed, for readers of the table. Each is looked up by its key: comparing all rows of a long
/// chain with all of these would take a sixth of the time of its steps.
pub fn write_derived(spi: &Session, instance: &str, nodes: &[Option<&str>]) {
    spi.run(&WRITE_DERIVED, &[Arg::Text(instance), Arg::TextArray(nodes)]);
}

statement!(
    HOLD,
    c"SELECT 1 FROM df.nodes AS n
      WHERE n.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND n.id OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.varchar[])
      ORDER BY n.id USING OPERATOR(pg_catalog.>)
      FOR NO KEY UPDATE",
    [TEXTOID, TEXTARRAYOID]
);

/// Keeps these nodes as they are until the end of the transaction, for one who may be about to write them. From the inside,
/// as those do who complete them one after the other.
pub fn hold(spi: &Session, instance: &str, nodes: &[Option<&str>]) {
    spi.run(&HOLD, &[Arg::Text(instance), Arg::TextArray(nodes)]);
}

statement!(
    WRITE_FAILURE,
    spi::text(concat!(
        "UPDATE df.nodes AS n
         SET status = $3, generation = $4, iteration = $5, updated_at = pg_catalog.now(),
             started_at = ",
        include_str!("began.sql"),
        ", wake_at = $12, waiting_for = NULL, result_columns = NULL, error = $6, sqlstate = $7, message = $8, detail = $9,
             hint = $10, context = $11, tries = NULL, next_attempt_at = $12,
             result = CASE WHEN $3 OPERATOR(pg_catalog.=) 'failed' THEN pg_catalog.to_jsonb($6) ELSE $14 END,
             attempt = CASE WHEN $3 OPERATOR(pg_catalog.=) 'failed'
                 THEN GREATEST($13, COALESCE(n.tries, 0) OPERATOR(pg_catalog.+) 1) ELSE $13 END
         WHERE n.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
           AND n.id OPERATOR(pg_catalog.=) $2::pg_catalog.varchar
           AND ",
        include_str!("fence.sql"),
        "RETURNING n.ctid\0"
    )),
    [
        TEXTOID,
        TEXTOID,
        TEXTOID,
        INT8OID,
        INT8OID,
        TEXTOID,
        TEXTOID,
        TEXTOID,
        TEXTOID,
        TEXTOID,
        TEXTOID,
        TIMESTAMPTZOID,
        INT4OID,
        JSONBOID
    ]
);

/// [`write`] for a node that has failed, or whose failure is tried again or handled.
fn write_failure(spi: &Session, write: &NodeWrite<'_>, failure: &Failure, error: &str) -> Written {
    let rows = spi.run(
        &WRITE_FAILURE,
        &[
            Arg::Text(write.instance),
            Arg::Text(write.node),
            Arg::Text(&write.row.status),
            Arg::Int8(write.row.generation),
            Arg::Int8(write.row.iteration),
            Arg::Text(error),
            Arg::Text(&failure.sqlstate),
            Arg::Text(&failure.message),
            Arg::text(failure.detail.as_deref()),
            Arg::text(failure.hint.as_deref()),
            Arg::text(failure.context.as_deref()),
            Arg::timestamp(write.row.wake_at),
            write.row.attempt.map_or(Arg::Null, Arg::Int4),
            Arg::jsonb(write.row.result.as_deref()),
        ],
    );
    written(&rows)
}

statement!(
    COUNT_DEATH,
    c"UPDATE df.nodes AS n
      SET deaths = CASE WHEN n.died_in OPERATOR(pg_catalog.=) $3 THEN n.deaths OPERATOR(pg_catalog.+) 1 ELSE 1 END,
          died_in = $3
      WHERE n.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND n.id OPERATOR(pg_catalog.=) $2::pg_catalog.varchar
        AND (n.generation OPERATOR(pg_catalog.<) $3
             OR n.generation OPERATOR(pg_catalog.=) $3
                AND n.status OPERATOR(pg_catalog.<>) ALL (ARRAY['completed', 'failed']))
      RETURNING n.deaths",
    [TEXTOID, TEXTOID, INT8OID]
);

/// Counts that a process died while it carried out this node; how often that has happened now.
pub fn count_death(spi: &Session, instance: &str, node: NodeId, generation: i64) -> i64 {
    let rows =
        spi.run(&COUNT_DEATH, &[Arg::Text(instance), Arg::Text(&node.to_string()), Arg::Int8(generation)]);
    if rows.count == 1 { rows.int(0, 1).unwrap_or_default() } else { 0 }
}

statement!(
    TRIES,
    c"SELECT n.tries FROM df.nodes AS n
      WHERE n.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND n.id OPERATOR(pg_catalog.=) $2::pg_catalog.varchar",
    [TEXTOID, TEXTOID]
);

/// How often a node was tried since its row was written last, without that its outcome could be stored.
pub fn tries(spi: &Session, instance: &str, node: NodeId) -> u32 {
    let rows = spi.run(&TRIES, &[Arg::Text(instance), Arg::Text(&node.to_string())]);
    let tries = (rows.count > 0).then(|| rows.int(0, 1)).flatten();
    tries.and_then(|tries| tries.try_into().ok()).unwrap_or_default()
}

statement!(
    NOTE_TRY,
    c"UPDATE df.nodes AS n SET tries = $3, next_attempt_at = $4, sqlstate = $5, error = $6
      WHERE n.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND n.id OPERATOR(pg_catalog.=) $2::pg_catalog.varchar
        AND n.status OPERATOR(pg_catalog.<>) 'failed'
        AND EXISTS (
            SELECT FROM df.nodes AS f
            WHERE f.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
              AND f.id OPERATOR(pg_catalog.=) $2::pg_catalog.varchar
            FOR NO KEY UPDATE SKIP LOCKED)",
    [TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID]
);

/// A try that has failed and is followed by another.
pub struct Try<'a> {
    /// How many there were.
    pub tries: u32,
    /// When the next one begins.
    pub next_at: i64,
    /// What this one failed with.
    pub failure: &'a Failure,
}

/// Says in a node's row that it is tried again, unless somebody has it locked.
pub fn note_try(spi: &Session, instance: &str, node: NodeId, noted: &Try<'_>) {
    spi.run(
        &NOTE_TRY,
        &[
            Arg::Text(instance),
            Arg::Text(&node.to_string()),
            Arg::Int4(i32::try_from(noted.tries).unwrap_or(i32::MAX)),
            Arg::Timestamp(noted.next_at),
            Arg::Text(&noted.failure.sqlstate),
            Arg::Text(&noted.failure.message),
        ],
    );
}

statement!(
    SHOW,
    c"SELECT n.id, n.node_type, n.query, n.result_name, n.left_node, n.right_node, n.status, n.result,
             n.status_details, n.updated_at, n.waiting_for, n.wake_at, n.at_least_once, n.generation, n.error,
             n.sqlstate, n.deaths, COALESCE(n.tries, n.attempt), n.next_attempt_at, n.started_at
      FROM df.nodes AS n WHERE n.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar",
    [TEXTOID]
);

/// A node's row as it is shown to users.
#[derive(Debug, Clone, Default)]
pub struct ShownNode {
    pub query: Option<String>,
    pub left_node: Option<String>,
    pub right_node: Option<String>,
    pub status: String,
    pub result: Option<String>,
    pub updated_at: Option<i64>,
    pub waiting_for: Option<String>,
    pub wake_at: Option<i64>,
    pub at_least_once: Option<bool>,
    pub error: Option<String>,
    pub sqlstate: Option<String>,
    pub deaths: Option<i32>,
    pub attempt: Option<i32>,
    pub next_attempt_at: Option<i64>,
    pub started_at: Option<i64>,
}

/// The rows of an instance's nodes that the current user may see, by node.
pub fn show(spi: &Session, instance: &str) -> HashMap<NodeId, ShownNode> {
    let rows = spi.run(&SHOW, &[Arg::Text(instance)]);
    (0..rows.count)
        .filter_map(|row| {
            let shown = ShownNode {
                query: rows.text(row, 3),
                left_node: rows.text(row, 5),
                right_node: rows.text(row, 6),
                status: rows.string(row, 7),
                result: rows.text(row, 8),
                updated_at: rows.int(row, 10),
                waiting_for: rows.text(row, 11),
                wake_at: rows.int(row, 12),
                at_least_once: rows.int(row, 13).map(|value| value != 0),
                error: rows.text(row, 15),
                sqlstate: rows.text(row, 16),
                deaths: rows.int(row, 17).map(|deaths| deaths as i32),
                attempt: rows.int(row, 18).map(|attempt| attempt as i32),
                next_attempt_at: rows.int(row, 19),
                started_at: rows.int(row, 20),
            };
            NodeId::parse(&rows.string(row, 1)).map(|id| (id, shown))
        })
        .collect()
}
