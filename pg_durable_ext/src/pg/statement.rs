//! The text of a step, parsed, and what of it a step may hold.

use std::ffi::CString;
use std::ops::Range;

use pg_durable_graph::Failure;
use pgrx::pg_sys;

use super::encoding;

/// A script with literals in place of its parameters.
#[derive(Debug, Default)]
pub struct Literals {
    pub text: String,
    /// Where each literal stands, and what stands there in the text with parameters.
    pub places: Vec<(Range<usize>, String)>,
}

/// SQL that a step may not hold.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error("{0} is not allowed in a workflow step")]
    TransactionControl(&'static str),
    #[error("COPY between server and client is not possible in a workflow step")]
    CopyToClient,
    #[error("the step's SQL is empty")]
    Empty,
    #[error("the step's result is larger than pg_durable.max_result_size ({limit} bytes)")]
    ResultTooLarge { limit: usize },
}

impl From<ScriptError> for Failure {
    fn from(error: ScriptError) -> Failure {
        let message = error.to_string();
        match error {
            ScriptError::TransactionControl(_) => Failure::new("2D000", message).hint(
                "A step is one transaction, committed with its checkpoint. Split the work into steps, or CALL a procedure that commits.",
            ),
            ScriptError::CopyToClient => {
                Failure::new("0A000", message).hint("Use COPY with a file or program on the server.")
            }
            ScriptError::Empty => Failure::new("42601", message),
            ScriptError::ResultTooLarge { .. } => Failure::new("54000", message)
                .hint("Write the rows to a table in the step, and return a key or a count."),
        }
    }
}

/// A parsed text.
pub(super) struct Text {
    pub(super) sql: CString,
    pub(super) statements: Vec<*mut pg_sys::RawStmt>,
}

impl Text {
    pub(super) fn parse(sql: &str) -> Text {
        Text::parse_encoded(encoding::from_utf8(sql))
    }

    /// One of the statements of a text with literals, with parameters in their place.
    pub(super) fn with_parameters(&self, place: usize, text: &str, literals: &Literals) -> Text {
        if self.statements.len() == 1 {
            return Text::parse(text);
        }
        // SAFETY: a raw statement of the parser's.
        let (start, length) = unsafe {
            let raw = self.statements[place];
            ((*raw).stmt_location.max(0) as usize, (*raw).stmt_len as usize)
        };
        let all = self.sql.as_bytes();
        let end = if length == 0 { all.len() } else { start + length };
        let (mut sql, mut copied) = (Vec::new(), start);
        // The parser counts in the database's encoding: from place to place, so that each byte is counted once.
        let encoded_length = |text: &str| encoding::from_utf8(text).as_bytes().len();
        let (mut seen, mut from) = (0, 0);
        for (range, parameter) in &literals.places {
            from += encoded_length(&literals.text[seen..range.start]);
            let to = from + encoded_length(&literals.text[range.clone()]);
            if (start..end).contains(&from) {
                sql.extend_from_slice(&all[copied..from]);
                sql.extend_from_slice(encoding::from_utf8(parameter).as_bytes());
                copied = to;
            }
            (seen, from) = (range.end, to);
        }
        sql.extend_from_slice(&all[copied..end]);
        Text::parse_encoded(CString::new(sql).expect("parts of C strings hold no NUL"))
    }

    pub(super) fn parse_encoded(sql: CString) -> Text {
        // SAFETY: the list's elements are raw statements; they live in the transaction's memory.
        let statements = unsafe {
            let list = pg_sys::pg_parse_query(sql.as_ptr());
            let length = if list.is_null() { 0 } else { (*list).length };
            (0..length)
                .map(|place| (*(*list).elements.add(place as usize)).ptr_value.cast::<pg_sys::RawStmt>())
                .collect()
        };
        Text { sql, statements }
    }
}

pub(super) fn tag(statement: *mut pg_sys::RawStmt) -> pg_sys::NodeTag {
    // SAFETY: a raw statement holds a node, and every node begins with its tag.
    unsafe { (*(*statement).stmt).type_ }
}

pub(super) fn is_optimizable(statement: *mut pg_sys::RawStmt) -> bool {
    // SAFETY: a raw statement of the parser's.
    unsafe { pg_sys::analyze_requires_snapshot(statement) }
}

pub(super) fn refuse_what_a_step_may_not_do(statement: *mut pg_sys::RawStmt) -> Result<(), ScriptError> {
    match tag(statement) {
        pg_sys::NodeTag::T_TransactionStmt => {
            // SAFETY: the tag says what the node is.
            let kind = unsafe { (*(*statement).stmt.cast::<pg_sys::TransactionStmt>()).kind };
            use pg_sys::TransactionStmtKind::*;
            let name = match kind {
                TRANS_STMT_BEGIN => "BEGIN",
                TRANS_STMT_START => "START TRANSACTION",
                TRANS_STMT_COMMIT => "COMMIT",
                TRANS_STMT_ROLLBACK => "ROLLBACK",
                TRANS_STMT_SAVEPOINT => "SAVEPOINT",
                TRANS_STMT_RELEASE => "RELEASE",
                TRANS_STMT_ROLLBACK_TO => "ROLLBACK TO",
                TRANS_STMT_PREPARE => "PREPARE TRANSACTION",
                TRANS_STMT_COMMIT_PREPARED => "COMMIT PREPARED",
                _ => "ROLLBACK PREPARED",
            };
            Err(ScriptError::TransactionControl(name))
        }
        pg_sys::NodeTag::T_CopyStmt => {
            // SAFETY: the tag says what the node is.
            let to_client = unsafe { (*(*statement).stmt.cast::<pg_sys::CopyStmt>()).filename.is_null() };
            if to_client { Err(ScriptError::CopyToClient) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}
