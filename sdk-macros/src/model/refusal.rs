//! What to write in place of what a graph cannot mean.

use super::{
    catch::{is_catch, misread},
    is_step,
};
use crate::word;
use syn::Expr as Syntax;

/// Says what to write in place of an expression that a graph cannot mean.
pub(super) fn refuse<T>(expr: &Syntax) -> syn::Result<T> {
    let fail = |token: &dyn quote::ToTokens, message: &str| {
        Err(syn::Error::new_spanned(token.to_token_stream(), message))
    };
    if is_step(expr) {
        return fail(expr, "a step does nothing until it is awaited: add `.await?`");
    }
    match expr {
        Syntax::ForLoop(repeat) => fail(
            &repeat.for_token,
            "a graph has no `for`: let SQL go over the rows, `sql!(\"INSERT … SELECT … FROM {rows.*}\")`, or take \
             one a time with `while let Some(row) = sql!(\"DELETE … RETURNING …\").await? { … }`",
        ),
        Syntax::Match(choose) if is_catch(choose) => fail(
            &choose.match_token,
            "bind this to a name first, `let x: T = match … { … };`, or end its arms with `Ok(..)`",
        ),
        Syntax::Match(choose) => match misread(choose) {
            Some(error) => Err(error),
            None => fail(
                &choose.match_token,
                "a graph has no `match` but on what may fail: write `if let Some(x) = … { … } else { … }`",
            ),
        },
        Syntax::Closure(closure) => {
            fail(&closure.inputs_begin, "nothing runs here, so there is no closure: write it in SQL")
        }
        Syntax::Assign(assign) => {
            fail(&assign.eq_token, "nothing is assigned twice: bind a new name with `let`")
        }
        Syntax::Binary(binary) => {
            fail(&binary.op, "nothing is computed here: write it in SQL, `sql!(\"SELECT {a} + {b}\").await?`")
        }
        Syntax::Unary(unary) => {
            fail(&unary.op, "nothing is computed here: write it in SQL, `sql!(\"SELECT NOT {a}\").await?`")
        }
        Syntax::Cast(cast) => fail(
            &cast.as_token,
            "nothing is converted here: write it in SQL, `sql!(\"SELECT {a}::bigint\").await?`",
        ),
        Syntax::Index(index) => {
            fail(&index.index, "nothing is indexed here: select the row or member in SQL")
        }
        Syntax::Field(field) => fail(&field.member, "only fields with names of captured names: `order.id`"),
        Syntax::MethodCall(call) => fail(
            &call.method,
            "methods do not run here: compute in SQL, or before the workflow is started and hand the value in",
        ),
        Syntax::Call(call) => fail(
            &call.func,
            "functions do not run here: call one of the database, `sql!(\"SELECT f({x})\").await?`, or call it \
             before the workflow is started and hand its result in",
        ),
        Syntax::Macro(call) if word::with_arms(&call.mac.path).is_some() => fail(
            &call.mac.path,
            "bind this to a name first, `let x: T = select! { … };`, or end its handlers with `Ok(..)`",
        ),
        Syntax::Macro(call) => {
            fail(&call.mac.path, &format!("the macros of a workflow are {}", word::macros()))
        }
        Syntax::Async(block) => fail(&block.async_token, &async_alone()),
        Syntax::Block(block) => fail(block, "a block alone has no meaning here: write its steps in line"),
        Syntax::Unsafe(block) => fail(&block.unsafe_token, "nothing runs here, so nothing is `unsafe`"),
        Syntax::Reference(reference) => {
            fail(&reference.and_token, "values are captured as they are: leave `&` out")
        }
        Syntax::Range(range) => {
            fail(&range.limits, "a graph has no ranges: let SQL count, with generate_series")
        }
        Syntax::Array(_) | Syntax::Repeat(_) => fail(expr, "there are no arrays here: build one in SQL"),
        _ => {
            let macros = word::with_branches().join(", ");
            fail(
                expr,
                &format!(
                    "a workflow is made of `let`, steps, `if`, `while`, `loop`, {macros} and `Ok(..)`; write this in SQL"
                ),
            )
        }
    }
}

/// What is said of `async { … }` where it is no branch.
pub(super) fn async_alone() -> String {
    let macros = word::listed(word::with_branches(), "or");
    format!(
        "an `async` block is a branch of {macros}, what `retry!` tries, or what a `match` looks into, `match async {{ … \
         }}.await {{ Ok(value) => …, Err(error) => … }}`: write its steps here"
    )
}
