//! Failing on purpose.

use crate::{
    __private::{Statement, with_faults},
    Output, Part, TypedPart,
    fault::Misplaced,
};
use pg_durable_graph::kind::{self, RAISED};

/// A step that always fails; made by [`fail`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Fail {
    message: String,
    sqlstate: String,
    detail: Option<String>,
    hint: Option<String>,
    faults: Vec<Misplaced>,
}

/// A step that fails with this message, in which references such as `$order.id` may stand.
///
/// The SQLSTATE is `P0001`, as of an exception that PL/pgSQL raises, unless [`sqlstate`](Fail::sqlstate) says otherwise.
///
/// ```
/// use pg_durable_sdk::{Workflow, fail, sql};
///
/// let workflow = Workflow::new().when(
///     sql("SELECT $input.amount <= 0"),
///     fail("order $input.order has no amount").sqlstate("ORD01").hint("Enter the order anew."),
/// );
/// # workflow.graph().unwrap();
/// ```
pub fn fail(message: impl Into<String>) -> Fail {
    Fail {
        message: message.into(),
        sqlstate: RAISED.to_owned(),
        detail: None,
        hint: None,
        faults: Vec::new(),
    }
}

impl Statement {
    /// The step that `fail!` is.
    pub fn fail(self) -> Fail {
        Fail { faults: self.faults, ..fail(self.query) }
    }
}

impl Fail {
    /// The SQLSTATE: five digits and letters that do not begin with 00, 01 or 02. A class of your own, as of `PAY01`, keeps it
    /// apart from PostgreSQL's (Appendix A of its manual lists those); `PD` is pg_durable's.
    pub fn sqlstate(mut self, sqlstate: impl Into<String>) -> Self {
        self.sqlstate = sqlstate.into();
        self
    }

    /// Facts; references may stand in it.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// What `#[workflow]` expands to calls this.
    #[doc(hidden)]
    pub fn detail_by(mut self, text: Statement) -> Self {
        self.faults.extend(text.faults);
        self.detail(text.query)
    }

    /// What to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Fail> for Part {
    fn from(fail: Fail) -> Self {
        let leaf = Part::leaf(kind::Fail::with(fail.message, &fail.sqlstate, fail.detail, fail.hint));
        with_faults(leaf, fail.faults)
    }
}

impl TypedPart for Fail {
    type Result = Output;
}
