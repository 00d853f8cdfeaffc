//! The receiver of a result.

use std::sync::Arc;

use pg_durable_graph::Column;
use pgrx::pg_sys;

use super::{encoding, value};

/// Collects a result as JSON, row by row.
#[repr(C)]
pub(super) struct Capture {
    /// First, so that a pointer to the receiver is one to the capture.
    receiver: pg_sys::DestReceiver,
    pub json: String,
    pub columns: Arc<Vec<Column>>,
    names: Vec<String>,
    rows: u64,
    result_max: usize,
    pub is_too_large: bool,
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
            json: String::from(r#"{"rows":["#),
            columns: Arc::default(),
            names: Vec::new(),
            rows: 0,
            result_max,
            is_too_large: false,
        })
    }

    pub fn finish(&mut self) {
        self.json.push_str(r#"],"row_count":"#);
        self.json.push_str(&self.rows.to_string());
        self.json.push('}');
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
    capture.names =
        columns.iter().map(|column| format!("{}:", serde_json::Value::from(&*column.name))).collect();
    capture.columns = Arc::new(columns);
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
            .map(|attribute| Column {
                name: encoding::to_utf8((*attribute).attname.data.as_ptr()),
                type_name: value::type_name(
                    value::type_when_read((*attribute).atttypid),
                    (*attribute).atttypmod,
                ),
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
        capture.json.push_str(if capture.rows == 0 { "{" } else { ",{" });
        let mut shown = 0;
        for place in 0..(*descriptor).natts {
            let attribute = value::attribute(descriptor, place);
            if (*attribute).attisdropped {
                continue;
            }
            if shown > 0 {
                capture.json.push(',');
            }
            capture.json.push_str(&capture.names[shown]);
            shown += 1;
            if *(*slot).tts_isnull.add(place as usize) {
                capture.json.push_str("null");
            } else {
                let datum = *(*slot).tts_values.add(place as usize);
                value::write_json(&mut capture.json, datum, (*attribute).atttypid);
            }
        }
        capture.json.push('}');
        capture.rows += 1;
        capture.is_too_large = capture.json.len() > capture.result_max;
        !capture.is_too_large
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn shut_down(_receiver: *mut pg_sys::DestReceiver) {}
