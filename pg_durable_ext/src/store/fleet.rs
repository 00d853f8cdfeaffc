//! What a fleet looks like: statements that are made for each question, so that each has a plan of its own.
//!
//! They are run as the owner. What the asker may see is a condition of theirs, which the indexes answer: as a policy it
//! would stand beside all others, and no order would be left.

use pg_durable_graph::InstanceStatus;
use pg_durable_graph::listing::{Cursor, Filter, Match, Sort, SortKey, Wanted};
use pgrx::pg_sys::Oid;

use super::waits::IS_LIVE;
use crate::pg::query::{Query, Value};

/// Whose instances are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    All,
    /// Those of these roles, and those that they have called.
    Roles(Vec<Oid>),
}

/// Which instances, in which order, and from where on.
pub struct Question<'a> {
    pub filter: &'a Filter,
    /// The roles that the filter names as wanted, and as unwanted.
    pub wanted_role: Option<Oid>,
    pub unwanted_role: Option<Oid>,
    pub sort: Sort,
    pub after: Option<&'a Cursor>,
    pub scope: &'a Scope,
    /// Whose texts and values are shown.
    pub texts: &'a Scope,
}

/// What each arm of a statement has of an instance.
const COLUMNS: &str = "i.id, i.label, i.workflow, i.version, i.submitted_by, i.status, i.created_at, i.started_at, \
     i.completed_at, i.sqlstate, i.error, i.attributes, i.root_node";

const IS_UNFINISHED: &str = "i.status OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'running'])";

/// What is waited for, in the words that are used everywhere.
const WORDS: &str = "pg_catalog.concat_ws(' ', w.kind, w.name)";

fn op(left: &str, operator: &str, right: &str) -> String {
    format!("{left} OPERATOR(pg_catalog.{operator}) {right}")
}

impl Question<'_> {
    /// A page as `df.list` shows it.
    pub fn page(&self, limit: i64) -> Query {
        let mut query = Query::default();
        let rows = self.rows(&mut query, limit);
        let order = self.order("p");
        query.text = format!(
            "SELECT p.id::pg_catalog.text, p.label, p.workflow, p.version,
                    pg_catalog.pg_get_userbyid(p.submitted_by)::pg_catalog.text, p.status, w.words, w.wake_at,
                    p.created_at, p.started_at, p.completed_at,
                    CASE WHEN p.status OPERATOR(pg_catalog.<>) 'pending'
                        THEN COALESCE(p.completed_at, pg_catalog.clock_timestamp())
                             OPERATOR(pg_catalog.-) COALESCE(p.started_at, p.created_at) END,
                    p.sqlstate, pg_catalog.left(p.error, 200), COALESCE(r.generations, 1), p.attributes, {cursor}
             FROM ({rows}) AS p
                  LEFT JOIN LATERAL (
                      SELECT {WORDS} AS words, w.wake_at FROM df._waits AS w
                      WHERE w.instance_id OPERATOR(pg_catalog.=) p.id AND {IS_LIVE}
                      ORDER BY w.since, w.node_id LIMIT 1) AS w
                      ON p.sees_nodes AND p.status OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'running'])
                  LEFT JOIN LATERAL (
                      SELECT GREATEST(n.iteration, 1) AS generations FROM df.nodes AS n
                      WHERE n.instance_id OPERATOR(pg_catalog.=) p.id AND n.id OPERATOR(pg_catalog.=) p.root_node
                        AND n.node_type OPERATOR(pg_catalog.=) 'LOOP') AS r ON p.sees_nodes
             ORDER BY {order}",
            cursor = self.cursor("p"),
        );
        query
    }

    /// A page as `df.list_instances` shows it, and with `is_paged` what its longer form has besides.
    pub fn page_with_outputs(&self, limit: i64, is_paged: bool) -> Query {
        let mut query = Query::default();
        let rows = self.rows(&mut query, limit + 1);
        let order = self.order("p");
        let place = query.bind(Value::Int8(limit));
        let paged = if is_paged {
            format!(
                ", p.created_at, p.completed_at,
                 (SELECT {cursor} FROM page AS l WHERE l.place OPERATOR(pg_catalog.=) {place}
                    AND EXISTS (SELECT FROM page AS m WHERE m.place OPERATOR(pg_catalog.>) {place}))",
                cursor = self.cursor("l"),
            )
        } else {
            String::new()
        };
        query.text = format!(
            "WITH page AS MATERIALIZED (
                 SELECT p.*, pg_catalog.row_number() OVER (ORDER BY {order}) AS place FROM ({rows}) AS p)
             SELECT p.id::pg_catalog.text, p.label,
                    'pg_durable::orchestration::execute-function-graph'::pg_catalog.text, p.status,
                    CASE WHEN p.sees_nodes AND r.node_type OPERATOR(pg_catalog.=) 'LOOP'
                        THEN GREATEST(r.iteration, 1) ELSE 1::pg_catalog.int8 END,
                    CASE
                        WHEN p.status OPERATOR(pg_catalog.=) 'completed' THEN
                            CASE WHEN pg_catalog.pg_column_size(r.result) OPERATOR(pg_catalog.<=) {OUTPUT_MAX}
                                THEN r.result::pg_catalog.text
                                ELSE pg_catalog.concat('[', pg_catalog.pg_column_size(r.result), ' bytes: see df.result()]')
                            END
                        WHEN p.status OPERATOR(pg_catalog.=) ANY (ARRAY['failed', 'cancelled']) THEN p.error
                    END{paged}
             FROM page AS p
                  LEFT JOIN df.nodes AS r ON r.instance_id OPERATOR(pg_catalog.=) p.id
                      AND r.id OPERATOR(pg_catalog.=) p.root_node
             WHERE p.place OPERATOR(pg_catalog.<=) {place}
             ORDER BY p.place"
        );
        query
    }

    /// How many there are, if not more than `at_most`, and whether that is all.
    pub fn count(&self, at_most: i64) -> Query {
        let mut query = Query::default();
        let limit = query.bind(Value::Int8(at_most.saturating_add(1)));
        let arms = self.arms(&mut query, &limit, "");
        let at_most = query.bind(Value::Int8(at_most));
        query.text = format!(
            "SELECT LEAST(c.found, {at_most}), {is_exact}
             FROM (SELECT pg_catalog.count(*) AS found FROM (SELECT FROM ({arms}) AS p LIMIT {limit}) AS p) AS c",
            is_exact = op("c.found", "<=", &at_most),
        );
        query
    }

    fn rows(&self, query: &mut Query, limit: i64) -> String {
        let limit = query.bind(Value::Int8(limit));
        let order = format!("ORDER BY {}", self.order("i"));
        let arms = self.arms(query, &limit, &order);
        format!("SELECT p.* FROM ({arms}) AS p ORDER BY {} LIMIT {limit}", self.order("p"))
    }

    /// Each arm is read in order, by the index that its conditions have, and no further than the page.
    fn arms(&self, query: &mut Query, limit: &str, order: &str) -> String {
        let conditions = self.conditions(query);
        // Who has called another's workflow sees none of its nodes.
        let looks_at_nodes = self.filter.wanted.looks_at_nodes() || self.filter.unwanted.looks_at_nodes();
        let columns = self.columns(query);
        let select = |sees_nodes: bool, own: &[String]| {
            let all: Vec<_> = own.iter().chain(&conditions).cloned().collect();
            let all = if all.is_empty() { "true".to_owned() } else { all.join(" AND ") };
            format!(
                "SELECT {columns}, {sees_nodes} AS sees_nodes FROM df.instances AS i WHERE {all} {order} LIMIT {limit}"
            )
        };
        // By each status by itself: of several at once an index gives no order.
        let is_narrow =
            self.wanted_role.is_some() || self.filter.has_index() || self.sort.key != SortKey::CreatedAt;
        let left = match self.filter.statuses() {
            Some(left) => Some(left),
            None if *self.scope == Scope::All && !is_narrow => Some(InstanceStatus::ALL.to_vec()),
            None => None,
        };
        let by_status: Vec<Vec<String>> = match left {
            None => vec![Vec::new()],
            Some(left) => {
                let one = |status: &InstanceStatus| {
                    let status = query.bind(Value::Text(status.as_str().to_owned()));
                    vec![op("i.status", "=", &status)]
                };
                left.iter().map(one).collect()
            }
        };
        let mut arms = Vec::new();
        for of_status in &by_status {
            match self.scope {
                Scope::All => arms.push(select(true, of_status)),
                Scope::Roles(roles) => {
                    arms.push(of_roles(query, roles, |role| {
                        select(true, &[of_status.as_slice(), &[op("i.submitted_by", "=", role)]].concat())
                    }));
                    if !looks_at_nodes {
                        let all = query.bind(Value::Oids(roles.clone()));
                        let is_others = format!("i.submitted_by OPERATOR(pg_catalog.<>) ALL ({all})");
                        arms.push(of_roles(query, roles, |role| {
                            let own = [op("i.called_by", "=", role), is_others.clone()];
                            select(false, &[of_status.as_slice(), &own].concat())
                        }));
                    }
                }
            }
        }
        match arms.is_empty() {
            true => select(true, &["false".to_owned()]),
            false => format!("({})", arms.join(") UNION ALL (")),
        }
    }

    /// [`COLUMNS`], with texts and values for those who may see them only.
    fn columns(&self, query: &mut Query) -> String {
        let Scope::Roles(roles) = self.texts else { return COLUMNS.to_owned() };
        let roles = query.bind(Value::Oids(roles.clone()));
        let of = |column: &str| {
            format!(
                "CASE WHEN i.submitted_by OPERATOR(pg_catalog.=) ANY ({roles})
                           OR i.called_by OPERATOR(pg_catalog.=) ANY ({roles}) THEN i.{column} END AS {column}"
            )
        };
        let columns = COLUMNS.split(", ").map(|column| match column {
            "i.error" => of("error"),
            "i.attributes" => of("attributes"),
            other => other.to_owned(),
        });
        columns.collect::<Vec<_>>().join(", ")
    }

    /// What holds in every arm.
    fn conditions(&self, query: &mut Query) -> Vec<String> {
        let mut all = conditions(&self.filter.wanted, self.wanted_role, query);
        let unwanted = conditions(&self.filter.unwanted, self.unwanted_role, query);
        all.extend(unwanted.into_iter().map(|condition| format!("({condition}) IS NOT TRUE")));
        if self.sort.key == SortKey::CompletedAt {
            all.push("i.completed_at IS NOT NULL".to_owned());
        }
        if let Some(after) = self.after {
            all.push(self.behind(after, query));
        }
        all
    }

    /// Written so that it bounds an index on the column: an OR of two comparisons would be looked at row by row.
    fn behind(&self, after: &Cursor, query: &mut Query) -> String {
        let id = query.bind(Value::Text(after.rest.first().cloned().unwrap_or_default()));
        let id = format!("{id}::pg_catalog.varchar");
        let (column, further) = match (self.sort.key, self.sort.is_descending) {
            (SortKey::Id, true) => return op("i.id", "<", &id),
            (SortKey::Id, false) => return op("i.id", ">", &id),
            (SortKey::CreatedAt, true) => ("i.created_at", "<"),
            (SortKey::CreatedAt, false) => ("i.created_at", ">"),
            (SortKey::CompletedAt, true) => ("i.completed_at", "<"),
            (SortKey::CompletedAt, false) => ("i.completed_at", ">"),
        };
        let at = query.bind(Value::Timestamp(after.at.unwrap_or_default()));
        let by_id = if self.sort.is_descending { ">" } else { "<" };
        format!(
            "{} AND ({} OR {})",
            op(column, &format!("{further}="), &at),
            op(column, further, &at),
            op("i.id", by_id, &id),
        )
    }

    fn order(&self, of: &str) -> String {
        let (descending, ascending) = if self.sort.is_descending { ("DESC", "ASC") } else { ("ASC", "DESC") };
        match self.sort.key {
            SortKey::Id => format!("{of}.id {descending}"),
            SortKey::CreatedAt => format!("{of}.created_at {descending}, {of}.id {ascending}"),
            SortKey::CompletedAt => format!("{of}.completed_at {descending}, {of}.id {ascending}"),
        }
    }

    /// See [`Cursor::parse`].
    fn cursor(&self, of: &str) -> String {
        let at = match self.sort.key {
            SortKey::Id => "''".to_owned(),
            SortKey::CreatedAt => microseconds(&format!("{of}.created_at")),
            SortKey::CompletedAt => microseconds(&format!("{of}.completed_at")),
        };
        hexadecimal(&format!("'{}|', {at}, '|', {of}.id", self.sort))
    }
}

/// The most bytes of a result, as they are stored, that a list shows.
const OUTPUT_MAX: i32 = 8192;

/// Microseconds since 2000-01-01 UTC, without a loss.
fn microseconds(instant: &str) -> String {
    format!(
        "((EXTRACT(epoch FROM {instant}) OPERATOR(pg_catalog.-) 946684800) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8"
    )
}

fn hexadecimal(parts: &str) -> String {
    format!("pg_catalog.encode(pg_catalog.convert_to(pg_catalog.concat({parts}), 'UTF8'), 'hex')")
}

/// What `select` makes of a role, for each of the roles.
fn of_roles(query: &mut Query, roles: &[Oid], select: impl Fn(&str) -> String) -> String {
    match roles {
        [one] => {
            let role = query.bind(Value::Oid(*one));
            select(&role)
        }
        many => {
            let roles = query.bind(Value::Oids(many.to_vec()));
            format!(
                "SELECT x.* FROM pg_catalog.unnest({roles}) AS r (role), LATERAL ({}) AS x",
                select("r.role")
            )
        }
    }
}

fn conditions(wanted: &Wanted, role: Option<Oid>, query: &mut Query) -> Vec<String> {
    let mut all = Vec::new();
    let text = |query: &mut Query, text: &str| query.bind(Value::Text(text.to_owned()));
    if let Some(role) = role {
        all.push(op("i.submitted_by", "=", &query.bind(Value::Oid(role))));
    }
    if let Some(workflow) = &wanted.workflow {
        all.push(op("i.workflow", "=", &text(query, workflow)));
    }
    if let Some(version) = wanted.version {
        all.push(op("i.version", "=", &query.bind(Value::Int4(version))));
    }
    for (column, found) in [("i.label", &wanted.label), ("i.sqlstate", &wanted.sqlstate)] {
        match found {
            Some(Match::Exactly(exact)) => all.push(op(column, "=", &text(query, exact))),
            Some(Match::Prefix(prefix)) => {
                all.push(format!("pg_catalog.starts_with({column}, {})", text(query, prefix)));
            }
            None => {}
        }
    }
    for (column, operator, at) in [
        ("i.created_at", ">=", &wanted.created_after),
        ("i.created_at", "<", &wanted.created_before),
        ("i.completed_at", ">=", &wanted.ended_after),
        ("i.completed_at", "<", &wanted.ended_before),
    ] {
        if let Some(at) = at {
            all.push(op(column, operator, &format!("{}::pg_catalog.timestamptz", text(query, at))));
        }
    }
    if let Some(span) = &wanted.longer_than {
        let span = text(query, span);
        all.push(format!(
            "(COALESCE(i.completed_at, pg_catalog.now()) OPERATOR(pg_catalog.-) COALESCE(i.started_at, i.created_at))
             OPERATOR(pg_catalog.>) {span}::pg_catalog.interval"
        ));
    }
    if let Some(part) = &wanted.error {
        all.push(op(&format!("pg_catalog.strpos(i.error, {})", text(query, part)), ">", "0"));
    }
    if let Some(attributes) = &wanted.attr {
        all.push(op("i.attributes", "@>", &query.bind(Value::Jsonb(attributes.clone()))));
    }
    if let Some(digits) = &wanted.id {
        let (first, last) = (text(query, digits), text(query, &format!("{digits:f<16}")));
        all.push(op("i.id", ">=", &format!("{first}::pg_catalog.varchar")));
        all.push(op("i.id", "<=", &format!("{last}::pg_catalog.varchar")));
    }
    all.extend(waits(wanted, query));
    if let Some(node) = &wanted.node {
        let node = text(query, node);
        all.push(is_at(&node));
    }
    all
}

fn waits(wanted: &Wanted, query: &mut Query) -> Option<String> {
    let mut of = Vec::new();
    if let Some((kind, name)) = &wanted.waiting {
        of.push(op("w.kind", "=", &query.bind(Value::Text(kind.clone()))));
        if let Some(name) = name {
            of.push(op("w.name", "=", &query.bind(Value::Text(name.clone()))));
        }
    }
    if let Some(span) = &wanted.waited_longer_than {
        of.push(has_waited(&query.bind(Value::Text(span.clone()))));
    }
    (!of.is_empty()).then(|| {
        format!(
            "{IS_UNFINISHED} AND EXISTS (
                 SELECT FROM df._waits AS w
                 WHERE w.instance_id OPERATOR(pg_catalog.=) i.id AND {} AND {IS_LIVE})",
            of.join(" AND ")
        )
    })
}

fn has_waited(span: &str) -> String {
    format!(
        "w.since OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) {span}::pg_catalog.interval)"
    )
}

/// Whether an instance has failed, or waits, at the node of this id or name.
fn is_at(node: &str) -> String {
    format!(
        "EXISTS (
             SELECT FROM df.nodes AS n
             WHERE n.instance_id OPERATOR(pg_catalog.=) i.id
               AND (n.id OPERATOR(pg_catalog.=) {node}::pg_catalog.varchar OR n.result_name OPERATOR(pg_catalog.=) {node})
               AND (n.id OPERATOR(pg_catalog.=) i.failed_node
                    OR {IS_UNFINISHED} AND EXISTS (
                        SELECT FROM df._waits AS w
                        WHERE w.instance_id OPERATOR(pg_catalog.=) i.id AND w.node_id OPERATOR(pg_catalog.=) n.id
                          AND {IS_LIVE})))"
    )
}

/// What of the waits is asked for.
pub struct Waits<'a> {
    pub kind: Option<&'a str>,
    pub name: Option<&'a str>,
    /// As the server reads it.
    pub longer_than: Option<&'a str>,
    pub after: Option<&'a Cursor>,
    pub scope: &'a Scope,
}

/// The name of a cursor of [`Waits`].
pub const WAITS: &str = "waiting";

impl Waits<'_> {
    /// A page, the longest wait first.
    pub fn page(&self, limit: i64) -> Query {
        let mut query = Query::default();
        let conditions = self.conditions(&mut query);
        let limit = query.bind(Value::Int8(limit));
        let cursor = hexadecimal(&format!(
            "'{WAITS}|', {}, '|', w.instance_id, '|', w.node_id",
            microseconds("w.since")
        ));
        query.text = format!(
            "SELECT w.instance_id::pg_catalog.text, i.label, i.workflow,
                    pg_catalog.pg_get_userbyid(i.submitted_by)::pg_catalog.text, w.node_id::pg_catalog.text, w.kind,
                    w.name, w.since, w.wake_at, {cursor}
             FROM df._waits AS w JOIN df.instances AS i ON i.id OPERATOR(pg_catalog.=) w.instance_id
             WHERE {conditions} ORDER BY w.since, w.instance_id, w.node_id LIMIT {limit}"
        );
        query
    }

    /// How many wait for what, and since when the first does.
    pub fn summary(&self) -> Query {
        let mut query = Query::default();
        let conditions = self.conditions(&mut query);
        query.text = format!(
            "SELECT w.kind, w.name, pg_catalog.count(*), pg_catalog.min(w.since)
             FROM df._waits AS w JOIN df.instances AS i ON i.id OPERATOR(pg_catalog.=) w.instance_id
             WHERE {conditions} GROUP BY w.kind, w.name ORDER BY 4, 1, 2"
        );
        query
    }

    fn conditions(&self, query: &mut Query) -> String {
        let mut all = vec![IS_UNFINISHED.to_owned(), IS_LIVE.to_owned()];
        for (column, wanted) in [("w.kind", self.kind), ("w.name", self.name)] {
            if let Some(wanted) = wanted {
                all.push(op(column, "=", &query.bind(Value::Text(wanted.to_owned()))));
            }
        }
        if let Some(span) = self.longer_than {
            all.push(has_waited(&query.bind(Value::Text(span.to_owned()))));
        }
        if let Some(after) = self.after {
            let at = query.bind(Value::Timestamp(after.at.unwrap_or_default()));
            let mut ids = after
                .rest
                .iter()
                .map(|id| format!("{}::pg_catalog.varchar", query.bind(Value::Text(id.clone()))));
            let (instance, node) = (ids.next().unwrap_or_default(), ids.next().unwrap_or_default());
            all.push(op("w.since", ">=", &at));
            all.push(format!(
                "({} OR (w.instance_id, w.node_id) OPERATOR(pg_catalog.>) ({instance}, {node}))",
                op("w.since", ">", &at)
            ));
        }
        // Who has called another's workflow sees none of its nodes.
        if let Scope::Roles(roles) = self.scope {
            let roles = query.bind(Value::Oids(roles.clone()));
            all.push(format!("i.submitted_by OPERATOR(pg_catalog.=) ANY ({roles})"));
        }
        all.join(" AND ")
    }
}

/// What has failed since then, in groups.
pub fn errors(since: &str, limit: i64, scope: &Scope) -> Query {
    let mut query = Query::default();
    let since = query.bind(Value::Text(since.to_owned()));
    let limit = query.bind(Value::Int8(limit));
    let visible = match scope {
        Scope::All => String::new(),
        Scope::Roles(roles) => {
            let roles = query.bind(Value::Oids(roles.clone()));
            format!(
                "AND (i.submitted_by OPERATOR(pg_catalog.=) ANY ({roles})
                      OR i.called_by OPERATOR(pg_catalog.=) ANY ({roles}))"
            )
        }
    };
    query.text = format!(
        "SELECT g.workflow, g.node, g.sqlstate, g.fingerprint, g.found, g.first_at, g.last_at, g.example,
                (SELECT pg_catalog.left(COALESCE(i.message, i.error), 500) FROM df.instances AS i
                 WHERE i.id OPERATOR(pg_catalog.=) g.example::pg_catalog.varchar)
         FROM (
             SELECT i.workflow, i.failed_node::pg_catalog.text AS node, i.sqlstate, f.fingerprint,
                    pg_catalog.count(*) AS found, pg_catalog.min(i.completed_at) AS first_at,
                    pg_catalog.max(i.completed_at) AS last_at,
                    (pg_catalog.array_agg(i.id::pg_catalog.text ORDER BY i.completed_at DESC, i.id))[1] AS example
             FROM df.instances AS i, LATERAL (
                 SELECT pg_catalog.regexp_replace(
                     pg_catalog.regexp_replace(
                         pg_catalog.left(COALESCE(i.message, i.error), 500), '\"[^\"]*\"|''[^'']*''', '?', 'g'),
                     '[0-9]+', '?', 'g')) AS f (fingerprint)
             WHERE i.status OPERATOR(pg_catalog.=) 'failed'
               AND i.completed_at OPERATOR(pg_catalog.>=)
                   (pg_catalog.now() OPERATOR(pg_catalog.-) {since}::pg_catalog.interval) {visible}
             GROUP BY i.workflow, i.failed_node, i.sqlstate, f.fingerprint) AS g
         ORDER BY g.found DESC, g.last_at DESC, g.example LIMIT {limit}"
    );
    query
}
