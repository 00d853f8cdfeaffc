//! `df.instances`.
//!
//! Where a statement names one instance, its condition on the status is written as what the status is not: an index
//! on the status could serve the positive form, and a planner without statistics takes it and reads every instance
//! that is or was unfinished.

use pg_durable_graph::Failure;
use pg_durable_graph::status::InstanceStatus;
use pgrx::pg_sys::Oid;

use crate::pg::spi::{self, Arg, Session, Tid, statement};
use crate::pg::{clock, heap, sequence, xact};
use crate::store::{vars, waits};

/// A row of `df.instances` to be inserted.
pub struct NewInstance<'a> {
    pub id: &'a str,
    pub label: Option<&'a str>,
    pub submitted_by: Oid,
    pub database: Option<&'a str>,
    pub durability: &'a str,
    pub idempotency_key: Option<&'a str>,
    /// JSON.
    pub input: Option<&'a str>,
    /// The registered workflow and its version.
    pub workflow: Option<(&'a str, i32)>,
    /// Who has called it, if that is not the submitter. Then no variables are copied: the caller sees the row.
    pub called_by: Option<Oid>,
}

/// What an executor has to know of an instance.
#[derive(Debug, Clone)]
pub struct Instance {
    pub label: Option<String>,
    pub status: String,
    pub submitted_by: Oid,
    pub database: Option<String>,
    pub vars: Option<String>,
    pub durability: String,
    /// JSON.
    pub input: Option<String>,
    /// It runs a registered workflow.
    pub is_registered: bool,
    /// Where the row lies.
    pub place: Tid,
}

/// The number of the next instance, from 1.
pub fn next_number() -> u64 {
    sequence::next(c"instance_number")
}

macro_rules! insert {
    ($name:ident, $conflict:literal) => {
        statement!(
            $name,
            spi::text(concat!(
                "INSERT INTO df.instances
                     (id, label, root_node, submitted_by, database, vars, durability, idempotency_key, input,
                      workflow, version, called_by)
                 VALUES ($1, $2, '00000000', $3::pg_catalog.regrole, $4, $7, $5, $6, $8, $9, $10,
                         $11::pg_catalog.regrole)",
                $conflict,
                "\0"
            )),
            [TEXTOID, TEXTOID, OIDOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, TEXTOID, INT4OID, OIDOID]
        );
    };
}

insert!(INSERT, "");
insert!(
    INSERT_ONCE,
    " ON CONFLICT (submitted_by, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING"
);

/// The columns that [`INSERT`] fills in, with those that have defaults.
static NEW: heap::Table = heap::Table {
    name: c"instances",
    columns: &[
        c"id",
        c"label",
        c"root_node",
        c"submitted_by",
        c"database",
        c"vars",
        c"durability",
        c"input",
        c"workflow",
        c"version",
        c"called_by",
        c"created_at",
        c"status",
        c"updated_at",
    ],
};

/// Inserts an instance with a copy of the submitter's variables; false where the role has used the idempotency key before.
pub fn insert(spi: &Session, new: &NewInstance<'_>) -> bool {
    let vars = if new.called_by.is_none() { vars::all(new.submitted_by) } else { None };
    let vars = Arg::jsonb(vars.as_deref());
    let workflow = new.workflow.map_or(Arg::Null, |(name, _)| Arg::Text(name));
    let version = new.workflow.map_or(Arg::Null, |(_, version)| Arg::Int4(version));
    let called_by = new.called_by.map_or(Arg::Null, Arg::Oid);
    let now = Arg::Timestamp(xact::started_at());
    let row = || {
        vec![
            Arg::Text(new.id),
            Arg::text(new.label),
            Arg::Text("00000000"),
            Arg::Oid(new.submitted_by),
            Arg::text(new.database),
            vars,
            Arg::Text(new.durability),
            Arg::jsonb(new.input),
            workflow,
            version,
            called_by,
            now,
            Arg::Text("pending"),
            now,
        ]
    };
    // Only SQL knows what to do about a key that another session is using at this moment.
    if new.idempotency_key.is_none() && heap::insert(&NEW, std::iter::once_with(row)) {
        return true;
    }
    let args = [
        Arg::Text(new.id),
        Arg::text(new.label),
        Arg::Oid(new.submitted_by),
        Arg::text(new.database),
        Arg::Text(new.durability),
        Arg::text(new.idempotency_key),
        vars,
        Arg::jsonb(new.input),
        workflow,
        version,
        called_by,
    ];
    // Where there is no key, a table that has rules takes it too.
    let insert = if new.idempotency_key.is_some() { &INSERT_ONCE } else { &INSERT };
    spi.run(insert, &args).count == 1
}

static KEYS: heap::Table =
    heap::Table { name: c"instances", columns: &[c"submitted_by", c"idempotency_key", c"id", c"workflow"] };

/// An instance that was started under an idempotency key.
pub struct Keyed {
    pub id: String,
    /// The registered workflow that it runs.
    pub workflow: Option<String>,
}

/// The instance that a role has started under an idempotency key.
pub fn of_key(role: Oid, key: &str) -> Option<Keyed> {
    let mut keyed = None;
    heap::find(&KEYS, c"idx_instances_idempotency_key", &[(0, Arg::Oid(role)), (1, Arg::Text(key))], |row| {
        keyed = Some(Keyed { id: row.text(2), workflow: row.optional_text(3) });
    });
    keyed
}

statement!(
    WRITERS,
    c"SELECT i.xmin::pg_catalog.text::pg_catalog.int8, 0::pg_catalog.int8 FROM df.instances AS i
      WHERE i.id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
      UNION ALL
      SELECT s.xmin::pg_catalog.text::pg_catalog.int8, 1::pg_catalog.int8 FROM df.signals AS s
      WHERE s.instance_id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar",
    [TEXTOID]
);

/// What the current transaction has done to an instance and is still to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncommitted {
    Start,
    Signal,
}

/// What of an unfinished instance the current transaction has written itself: nobody else sees it yet.
pub fn uncommitted(spi: &Session, id: &str) -> Option<Uncommitted> {
    let rows = spi.run(&WRITERS, &[Arg::Text(id)]);
    let mut mine = (0..rows.count).filter(|row| xact::is_mine(rows.int(*row, 1).unwrap_or_default() as u32));
    mine.next().map(|row| if rows.int(row, 2) == Some(1) { Uncommitted::Signal } else { Uncommitted::Start })
}

/// The columns of [`Instance`].
static READ: heap::Table = heap::Table {
    name: c"instances",
    columns: &[
        c"id",
        c"label",
        c"status",
        c"submitted_by",
        c"database",
        c"vars",
        c"durability",
        c"input",
        c"workflow",
    ],
};

/// Reads an instance, whoever owns it.
pub fn get(id: &str) -> Option<Instance> {
    let mut found = None;
    heap::find(&READ, c"instances_pkey", &[(0, Arg::Text(id))], |row| {
        found = Some(Instance {
            label: row.optional_text(1),
            status: row.text(2),
            submitted_by: row.oid(3),
            database: row.optional_text(4),
            vars: row.json(5),
            durability: row.text(6),
            input: row.json(7),
            is_registered: row.optional_text(8).is_some(),
            place: row.place(),
        });
    });
    found
}

/// The columns that change while an instance runs.
static STATE: heap::Table = heap::Table {
    name: c"instances",
    columns: &[c"id", c"status", c"updated_at", c"started_at", c"completed_at"],
};

statement!(
    MARK_RUNNING,
    c"UPDATE df.instances
      SET status = 'running', started_at = pg_catalog.now(), updated_at = pg_catalog.now()
      WHERE id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND status OPERATOR(pg_catalog.<>) ALL (ARRAY['running', 'completed', 'failed', 'cancelled'])",
    [TEXTOID]
);

/// What came of a change to a row that others may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unless {
    /// It was changed, or there was nothing to be changed.
    Done,
    /// Somebody holds the row.
    Held,
}

statement!(
    MARK_RUNNING_UNLESS_HELD,
    c"WITH free AS MATERIALIZED (
          SELECT i.id FROM df.instances AS i
          WHERE i.id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
            AND i.status OPERATOR(pg_catalog.<>) ALL (ARRAY['running', 'completed', 'failed', 'cancelled'])
          FOR NO KEY UPDATE SKIP LOCKED)
      UPDATE df.instances AS i
      SET status = 'running', started_at = pg_catalog.now(), updated_at = pg_catalog.now()
      FROM free AS f WHERE i.id OPERATOR(pg_catalog.=) f.id",
    [TEXTOID]
);

/// [`mark_running`] that waits for nobody.
pub fn mark_running_unless_held(spi: &Session, id: &str) -> Unless {
    let is_done = spi.run(&MARK_RUNNING_UNLESS_HELD, &[Arg::Text(id)]).count == 1;
    let is_pending = || get(id).is_some_and(|instance| instance.status == "pending");
    if is_done || !is_pending() { Unless::Done } else { Unless::Held }
}

statement!(
    HOLD_UNFINISHED,
    c"SELECT 1 FROM df.instances AS i
      WHERE i.id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND i.status OPERATOR(pg_catalog.<>) ALL (ARRAY['completed', 'failed', 'cancelled'])
      FOR NO KEY UPDATE SKIP LOCKED",
    [TEXTOID]
);

/// Takes the row of an instance that is not terminal, so that changing it waits for nobody; nothing where it is.
pub fn hold_unfinished(spi: &Session, id: &str) -> Unless {
    let is_held = spi.run(&HOLD_UNFINISHED, &[Arg::Text(id)]).count == 1;
    let is_unfinished =
        || get(id).is_some_and(|instance| matches!(instance.status.as_str(), "pending" | "running"));
    if is_held || !is_unfinished() { Unless::Done } else { Unless::Held }
}

/// Marks a pending instance as running; false where it is not pending.
pub fn mark_running(spi: &Session, id: &str) -> bool {
    spi.run(&MARK_RUNNING, &[Arg::Text(id)]).count == 1
}

/// What came of a change of an instance's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It has changed; the row lies here now, if that is known.
    Yes(Option<Tid>),
    /// It is terminal already, or in another way not what it was taken for.
    No,
    /// Another transaction has changed or locked the row and has not ended: a cancel that is not committed, say. Nobody
    /// waits for it here.
    Held,
}

/// The status of an instance as it is committed now, whatever the transaction's own snapshot sees; `None` where there is no
/// such instance. `place` is where its row was seen last.
pub fn look(id: &str, place: Option<Tid>) -> Option<heap::Seen<InstanceStatus>> {
    heap::look(&STATE, place, c"instances_pkey", (0, Arg::Text(id)), |row| {
        (row.text(0) == id).then(|| row.text(1).parse().ok()).flatten()
    })
}

/// Changes a row by its place, or where it is not there, by the place where it is now.
fn change_at<'a, Change: AsRef<[(usize, Arg<'a>)]>>(
    id: &str,
    place: Option<Tid>,
    change: impl Fn(&mut heap::Row<'_>) -> Option<Change>,
) -> heap::Updated {
    let at = |place| heap::update(&STATE, place, &change);
    match place.map_or(heap::Updated::Nothing, at) {
        heap::Updated::Nothing => match look(id, None) {
            // A step may have cancelled its own instance.
            Some(seen) if seen.changing.is_some() || seen.is_own && seen.value.is_terminal() => {
                heap::Updated::Held
            }
            Some(seen) => at(seen.place),
            None => heap::Updated::Nothing,
        },
        updated @ (heap::Updated::To(_) | heap::Updated::Held) => updated,
    }
}

/// What came of [`change_at`]; where the row was not found by its place, of doing it by its key.
fn changed(updated: heap::Updated, by_key: impl FnOnce() -> bool) -> Changed {
    match updated {
        heap::Updated::To(place) => Changed::Yes(Some(place)),
        heap::Updated::Held => Changed::Held,
        heap::Updated::Nothing if by_key() => Changed::Yes(None),
        heap::Updated::Nothing => Changed::No,
    }
}

/// [`mark_running`] for a row that was seen at `place` last.
pub fn mark_running_at(spi: &Session, id: &str, place: Option<Tid>) -> Changed {
    let now = Arg::Timestamp(xact::started_at());
    let change = |row: &mut heap::Row<'_>| {
        let may_change = row.text(0) == id && row.text(1) == "pending";
        may_change.then_some([(1, Arg::Text("running")), (2, now), (3, now)])
    };
    changed(change_at(id, place, change), || mark_running(spi, id))
}

statement!(
    COMPLETE,
    c"UPDATE df.instances
      SET status = 'completed', updated_at = pg_catalog.now(),
          started_at = COALESCE(started_at, pg_catalog.now()),
          completed_at = pg_catalog.clock_timestamp()
      WHERE id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND status OPERATOR(pg_catalog.<>) ALL (ARRAY['completed', 'failed', 'cancelled'])",
    [TEXTOID]
);

/// Completes an instance, whose row was seen at `place` last.
pub fn complete(spi: &Session, id: &str, place: Option<Tid>) -> Changed {
    xact::assign_id();
    let now = xact::started_at();
    let change = |row: &mut heap::Row<'_>| {
        let may_change = row.text(0) == id && matches!(row.text(1).as_str(), "pending" | "running");
        may_change.then(|| {
            [
                (1, Arg::Text("completed")),
                (2, Arg::Timestamp(now)),
                (3, Arg::Timestamp(row.optional_int8(3).unwrap_or(now))),
                (4, Arg::Timestamp(clock::now())),
            ]
        })
    };
    changed(change_at(id, place, change), || spi.run(&COMPLETE, &[Arg::Text(id)]).count == 1)
}

statement!(
    FAIL,
    c"UPDATE df.instances
      SET status = 'failed', updated_at = pg_catalog.now(),
          started_at = COALESCE(started_at, pg_catalog.now()), completed_at = pg_catalog.clock_timestamp(),
          failed_node = $2, error = $3, sqlstate = $4, message = $5, detail = $6, hint = $7, context = $8
      WHERE id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND status OPERATOR(pg_catalog.<>) ALL (ARRAY['completed', 'failed', 'cancelled'])",
    [TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID]
);

/// Fails an instance.
pub fn fail(spi: &Session, id: &str, node: Option<&str>, text: &str, failure: &Failure) -> Changed {
    if look(id, None).is_some_and(|seen| seen.changing.is_some()) {
        return Changed::Held;
    }
    let args = [
        Arg::Text(id),
        Arg::text(node),
        Arg::Text(text),
        Arg::Text(&failure.sqlstate),
        Arg::Text(&failure.message),
        Arg::text(failure.detail.as_deref()),
        Arg::text(failure.hint.as_deref()),
        Arg::text(failure.context.as_deref()),
    ];
    xact::assign_id();
    if spi.run(&FAIL, &args).count == 0 {
        return Changed::No;
    }
    waits::end_of(spi, id);
    Changed::Yes(None)
}

statement!(
    CANCEL,
    c"UPDATE df.instances
      SET status = 'cancelled', updated_at = pg_catalog.now(), completed_at = pg_catalog.clock_timestamp(),
          error = $2, message = $2, sqlstate = '57014', cancelled_by = $3::pg_catalog.regrole
      WHERE id OPERATOR(pg_catalog.=) $1::pg_catalog.varchar
        AND status OPERATOR(pg_catalog.<>) ALL (ARRAY['completed', 'failed', 'cancelled'])",
    [TEXTOID, TEXTOID, OIDOID]
);

/// Cancels an instance in the name of a role; false where it is terminal already.
pub fn cancel(spi: &Session, id: &str, reason: &str, by: Oid) -> bool {
    xact::assign_id();
    let is_cancelled = spi.run(&CANCEL, &[Arg::Text(id), Arg::Text(reason), Arg::Oid(by)]).count == 1;
    if is_cancelled {
        waits::end_of(spi, id);
    }
    is_cancelled
}

statement!(
    CANCEL_ALL,
    c"UPDATE df.instances AS i
      SET status = 'cancelled', updated_at = pg_catalog.now(), completed_at = pg_catalog.clock_timestamp(),
          error = $1, message = $1, sqlstate = '57014', cancelled_by = $2::pg_catalog.regrole
      WHERE i.status OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'running'])",
    [TEXTOID, OIDOID]
);

/// Cancels every instance that is not terminal, in the name of a role; how many there were.
pub fn cancel_all(spi: &Session, reason: &str, by: Oid) -> i64 {
    xact::assign_id();
    let cancelled = spi.run(&CANCEL_ALL, &[Arg::Text(reason), Arg::Oid(by)]).count as i64;
    waits::forget_old(spi);
    cancelled
}

statement!(
    IDS,
    c"SELECT i.id FROM df.instances AS i
      WHERE i.id OPERATOR(pg_catalog.>) $1::pg_catalog.varchar ORDER BY i.id LIMIT 10000",
    [TEXTOID]
);

/// Calls `each` with the id of every instance.
pub fn for_each_id(mut each: impl FnMut(&str)) {
    let mut last = String::new();
    loop {
        // Of its own for each page, so that no more than one is kept.
        let spi = Session::open();
        let rows = spi.run(&IDS, &[Arg::Text(&last)]);
        for row in 0..rows.count {
            last = rows.string(row, 1);
            each(&last);
        }
        if rows.count == 0 {
            return;
        }
    }
}

statement!(
    MOVE_NUMBER,
    c"SELECT pg_catalog.setval('df.instance_number', $1)
      FROM df.instance_number AS s WHERE s.last_value OPERATOR(pg_catalog.<) $1",
    [INT8OID]
);

/// Has the numbers of instances go on behind this one, if they do not already.
pub fn move_number(spi: &Session, last: i64) {
    spi.run(&MOVE_NUMBER, &[Arg::Int8(last)]);
}
