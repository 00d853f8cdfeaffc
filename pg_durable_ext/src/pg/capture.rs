//! The receiver of a result.

use std::sync::Arc;

use pg_durable_graph::{Column, Sink, columns};
use pgrx::pg_sys;

use super::{encoding, value};

const ROWS: &str = r#"{"rows":["#;

/// Collects a result as JSON, row by row.
#[repr(C)]
pub(super) struct Capture {
    /// First, so that a pointer to the receiver is one to the capture.
    receiver: pg_sys::DestReceiver,
    json: Sink,
    /// For what comes and goes with a row.
    memory: pg_sys::MemoryContext,
    pub columns: Arc<Vec<Column>>,
    names: Vec<String>,
    /// By column, the rows in which it holds the JSON value `null`.
    json_nulls: Vec<Vec<u64>>,
    rows: u64,
    /// How many rows the command has changed, if it is one that changes rows.
    changed: Option<u64>,
}

impl Capture {
    pub fn new(result_max: usize) -> Box<Capture> {
        Box::new(Capture {
            receiver: pg_sys::DestReceiver {
                receiveSlot: Some(receive_slot),
                rStartup: Some(start_up),
                rShutdown: Some(shut_down),
                rDestroy: Some(shut_down),
                mydest: pg_sys::CommandDest::DestNone,
            },
            json: Sink::new(result_max),
            memory: std::ptr::null_mut(),
            columns: Arc::default(),
            names: Vec::new(),
            json_nulls: Vec::new(),
            rows: 0,
            changed: None,
        })
    }

    pub fn is_too_large(&self) -> bool {
        self.json.is_full()
    }

    /// Notes how the command has ended: one that changes rows says how many.
    pub fn note_completion(&mut self, completion: &pg_sys::QueryCompletion) {
        use pg_sys::CommandTag::{CMDTAG_DELETE, CMDTAG_INSERT, CMDTAG_MERGE, CMDTAG_UPDATE};
        let changes = [CMDTAG_INSERT, CMDTAG_UPDATE, CMDTAG_DELETE, CMDTAG_MERGE];
        self.changed = changes.contains(&completion.commandTag).then_some(completion.nprocessed);
    }

    /// Takes the result.
    pub fn finish(&mut self) -> String {
        if self.rows == 0 {
            self.json.push_str(ROWS);
        }
        if self.json_nulls.iter().any(|rows| !rows.is_empty()) {
            let columns = Arc::make_mut(&mut self.columns);
            for (column, rows) in columns.iter_mut().zip(std::mem::take(&mut self.json_nulls)) {
                column.json_nulls = rows;
            }
        }
        let count = self.changed.unwrap_or(self.rows);
        self.json.finish(&format!(r#"],"row_count":{count}}}"#))
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn start_up(
    receiver: *mut pg_sys::DestReceiver,
    _operation: i32,
    descriptor: pg_sys::TupleDesc,
) {
    // SAFETY: the receiver is the first field of the capture that `run_statement` holds.
    let capture = unsafe { &mut *receiver.cast::<Capture>() };
    if descriptor.is_null() {
        return;
    }
    // SAFETY: the descriptor is that of the result.
    let columns = unsafe { columns_of(descriptor) };
    capture.names = columns::members(&columns)
        .into_iter()
        .map(|name| format!("{}:", serde_json::Value::from(name)))
        .collect();
    capture.json_nulls = vec![Vec::new(); columns.len()];
    capture.columns = Arc::new(columns);
    // SAFETY: a child of what lives as long as the rows come, so that it goes with it where an error comes up.
    capture.memory = unsafe {
        pg_sys::AllocSetContextCreateExtended(
            pg_sys::CurrentMemoryContext,
            c"pg_durable row".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    };
}

/// The columns of a result.
///
/// # Safety
/// `descriptor` is a tuple descriptor.
pub(super) unsafe fn columns_of(descriptor: pg_sys::TupleDesc) -> Vec<Column> {
    // SAFETY: the descriptor has `natts` attributes.
    unsafe {
        (0..(*descriptor).natts)
            .map(|place| value::attribute(descriptor, place))
            .filter(|attribute| !(**attribute).attisdropped)
            .map(|attribute| {
                let read_as = value::type_when_read((*attribute).atttypid);
                Column::new(
                    encoding::to_utf8((*attribute).attname.data.as_ptr()),
                    value::type_name(read_as, (*attribute).atttypmod),
                )
            })
            .collect()
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn receive_slot(
    slot: *mut pg_sys::TupleTableSlot,
    receiver: *mut pg_sys::DestReceiver,
) -> bool {
    // SAFETY: the receiver is the first field of the capture; the slot holds a row of the announced shape.
    unsafe {
        let capture = &mut *receiver.cast::<Capture>();
        let descriptor = (*slot).tts_tupleDescriptor;
        if i32::from((*slot).tts_nvalid) < (*descriptor).natts {
            pg_sys::slot_getsomeattrs_int(slot, (*descriptor).natts);
        }
        let outer = pg_sys::MemoryContextSwitchTo(capture.memory);
        capture.json.push_str(if capture.rows == 0 { ROWS } else { "," });
        capture.json.push_str("{");
        let mut shown = 0;
        for place in 0..(*descriptor).natts {
            let attribute = value::attribute(descriptor, place);
            if (*attribute).attisdropped {
                continue;
            }
            if shown > 0 {
                capture.json.push_str(",");
            }
            capture.json.push_str(&capture.names[shown]);
            shown += 1;
            if *(*slot).tts_isnull.add(place as usize) {
                capture.json.push_str("null");
            } else {
                let datum = *(*slot).tts_values.add(place as usize);
                if value::is_json_null(datum, (*attribute).atttypid) {
                    capture.json_nulls[shown - 1].push(capture.rows);
                }
                value::write_json(&mut capture.json, datum, (*attribute).atttypid);
            }
        }
        capture.json.push_str("}");
        capture.rows += 1;
        pg_sys::MemoryContextSwitchTo(outer);
        pg_sys::MemoryContextReset(capture.memory);
        !capture.json.is_full()
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn shut_down(_receiver: *mut pg_sys::DestReceiver) {}
