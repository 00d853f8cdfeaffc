//! The macros, with what they mean to say.

/// SQL with captures: a step whose values are parameters and whose references the compiler checks.
///
/// `sql!("…")` is a [`Step`](crate::Step) as [`sql`](fn@crate::sql) makes one, with `{captures}` in its text:
///
/// | Capture | Becomes |
/// |---|---|
/// | `{qty}`, `{order.qty}`, `{limit()}` of Rust values | a parameter, `$1`, never text; any [`Serialize`](serde::Serialize) type |
/// | `{hold}` of a [`Step`](crate::Step) | a reference to its result, `$hold` |
/// | `{hold.id}` of a [`Step<T>`](crate::Step) | a reference to a column, `$hold.id`; `T` has to have the field |
/// | `{hold.*}` of a [`Step`](crate::Step) | its rows, as a table named `hold`: `FROM {hold.*}` |
/// | `{run.id}` of [`run`](crate::run) | the id of the instance that the step belongs to |
/// | `{{` and `}}` | `{` and `}` |
///
/// PostgreSQL decides the SQL type of a parameter by where it stands, as it does for a client's; `{id}::bigint`
/// says it where the place does not.
///
/// ```
/// use pg_durable_sdk::{Workflow, sql};
///
/// #[derive(serde::Deserialize)]
/// struct Hold { id: i64 }
///
/// let (sku, qty) = ("A-1", 2);
/// let hold = sql!("UPDATE stock SET held = held + {qty} WHERE sku = {sku} RETURNING id").returns::<Hold>();
/// let workflow = Workflow::new()
///     .step(&hold)
///     .step(sql!("INSERT INTO holds (stock_id, qty) VALUES ({hold.id}, {qty})"));
///
/// let graph = serde_json::to_value(workflow.graph()?)?;
/// assert_eq!(graph["left_node"]["query"], "UPDATE stock SET held = held + $1 WHERE sku = $2 RETURNING id");
/// assert_eq!(graph["left_node"]["params"], serde_json::json!([2, "A-1"]));
/// assert_eq!(graph["left_node"]["result_name"], "hold");
/// assert_eq!(graph["right_node"]["query"], "INSERT INTO holds (stock_id, qty) VALUES ($hold.id, $1)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A captured step that has no name gets that of the variable, so both sides of the reference agree.
///
/// A long text may stand in a file, `sql!(include_str!("report.sql"))`, with its captures; the path is relative to the file of
/// Rust.
///
/// In a macro of your own the text may be an argument, as with `format!`. Where this crate has another name in
/// `Cargo.toml`, or is re-exported by yours, `sql!(crate = durable, "…")` says where it is found.
///
/// What cannot be right does not compile: a field that the type lacks, a value that is not `Serialize`, a capture
/// inside quotes, a comment or a name, a brace that is never closed.
///
/// ```compile_fail,E0609
/// # use pg_durable_sdk::{Step, sql};
/// # struct Hold { id: i64 }
/// let hold: Step<Hold> = sql!("SELECT 1 AS id").returns();
/// let next = sql!("SELECT {hold.number}"); // `Hold` has no `number`
/// ```
///
/// ```compile_fail,E0277
/// # use pg_durable_sdk::sql;
/// struct Handle;
/// let handle = Handle;
/// let step = sql!("SELECT {handle}"); // `Handle` is not `Serialize`
/// ```
///
/// ```compile_fail
/// # use pg_durable_sdk::sql;
/// let name = "x";
/// let step = sql!("SELECT 'name: {name}'"); // write `'name: ' || {name}`
/// ```
#[doc(inline)]
pub use pg_durable_sdk_macros::sql;

/// A workflow as a Rust function: its body is compiled to a graph, and never runs in the service.
///
/// ```
/// use pg_durable_sdk::{JsonSchema, workflow};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// struct Order { id: i64, sku: String, qty: i32 }
///
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// struct Hold { id: i64 }
///
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// struct Approval { approved: bool }
///
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// struct Receipt { hold: i64, by_hand: bool }
///
/// #[workflow(name = "order.fulfil", version = 1)]
/// async fn fulfil(order: Order) -> Result<Receipt> {
///     let hold: Hold = sql!("UPDATE stock SET held = held + {order.qty} WHERE sku = {order.sku} RETURNING id").await?;
///
///     let approval: Option<Approval> = signal("approval").timeout(hours(24)).await?;
///     let Some(approval) = approval else {
///         sql!("UPDATE stock SET held = held - {order.qty} WHERE id = {hold.id}").await?;
///         return Ok(Receipt { hold: hold.id, by_hand: false });
///     };
///     sql!("INSERT INTO decisions VALUES ({order.id}, {approval.approved})").await?;
///     Ok(Receipt { hold: hold.id, by_hand: true })
/// }
///
/// assert_eq!(fulfil().name(), "order.fulfil");
/// println!("{}", fulfil().explain());
/// # fulfil().graph().unwrap();
/// ```
///
/// The function becomes one without arguments that returns the [`Definition<Order, Receipt>`](crate::Definition),
/// and stands for the workflow wherever one is started or registered. `name` and `version` (1 unless it says
/// otherwise) are those under which it is registered; the name may be a constant. `crate = path` says where this crate is found, if not as
/// `::pg_durable_sdk`. It has one input or none, and returns `Result<T>`, which is
/// a word of the macro and needs no import; so are all words below.
///
/// # What may be written, and the graph that it becomes
///
/// | Rust | Graph |
/// |---|---|
/// | `sql!("…").await?;` | SQL |
/// | `let hold: Hold = sql!("…").await?;` | SQL, its result named `hold` (`hold_2` where the name is taken) |
/// | `let n = sql!("…").returns::<i64>().await?;` | the same |
/// | `let _ = …`, `let _hold: Hold = …` | no name |
/// | `{order.qty}` of the input | `$input.qty` |
/// | `{hold}`, `{hold.id}` | `$hold`, `$hold.id`; with `?` where the type is an `Option`, so that it may be NULL |
/// | `{hold.id}` of `hold: Option<Hold>` | `$hold.id?`: NULL where there is no row |
/// | `{holds.*}` of `holds: Vec<Hold>` | `$holds.*`: the rows, as a table named `holds` |
/// | `{run.id}` | the id of the instance, where nothing else is named `run` |
/// | `{ids}` of an input `ids: Vec<i64>` | the list as an array: `= ANY({ids})`, `FROM unnest({ids}) id` |
/// | `{items}` of another list in the input or a signal | the list as it is: `FROM jsonb_to_recordset({items}) AS x(sku text, qty int)` |
/// | `{LIMIT}` of a constant | a parameter |
/// | `let a: Approval = signal("approval").await?;`, `signal::<Approval>("approval")` | SIGNAL; `{a.by}` is `$a.data.by` |
/// | `let a: Option<Approval> = signal("approval").timeout(hours(24)).await?;` | SIGNAL with a time-out |
/// | `sleep(minutes(5)).await?;` | SLEEP; also `millis`, `seconds`, `hours`, `days`, sums and constants |
/// | `sleep({due.wait}).await?;`, `signal("x").timeout({policy.wait})` | SLEEP and a time-out of what the value says then: seconds, or an interval |
/// | `sleep({due.at}).await?;` of chrono's instants, `sleep_until({due.text}).await?;` | SLEEP until then |
/// | `schedule("0 9 * * 1-5").in_time_zone("Europe/Berlin").await?;` | WAIT_SCHEDULE |
/// | `let (a, b) = join!(x, y).await?;` | JOIN; a branch is a step or `async { …; Ok(value) }` |
/// | `race!(x, y).await?;`, `let first: T = race!(x, y).await?;` | RACE |
/// | `select! { a: T = signal("x") => { … }, _ = sleep(days(1)) => { … } }` | RACE that tells who has won, named `selected`, and an IF for each handler but the last; `{a.by}` is `$selected.result.data.by` |
/// | `if sql!("…").await? { a } else { b }` | IF on the SQL; `!` exchanges the branches; without `else` a SLEEP of 0 |
/// | `if approval.approved { … }` | IF on `SELECT $approval.data.approved` |
/// | `if let Some(hold) = hold { … }` | IF on whether there is a row, a value, or was a signal in time |
/// | `let Some(hold) = hold else { return Ok(..) };` | the same: what follows is the first branch |
/// | `loop { … }` | LOOP |
/// | `while condition { … }`, `while let Some(x) = … { … }` | LOOP around IF, whose other branch is BREAK |
/// | `break;`, `continue;` | BREAK; the end of the body |
/// | `let x: T = loop { … break value; … };` | before BREAK, SQL that selects the value and is named `x` |
/// | `let x: T = if … { a } else { b };` | in each branch, SQL that selects the value and is named `x` |
/// | `sql!("…").retry(Retry::new().attempts(5)).await?` | RETRY around the SQL; the policy is any expression of Rust that gives a [`Retry`](crate::Retry), and evaluated once |
/// | `let x: T = retry!(policy, async { …; Ok(value) }).await?;` | RETRY around the steps of the block, the last of which is named `x` |
/// | `let x: T = match async { …; Ok(value) }.await { Ok(x) => x, Err(error) => { …; other } };`, also of a single step | CATCH whose handler is the second arm: both its ways end with a step named `x`; `{error.message}` is `$error.message` of a [`Caught`](crate::Caught) |
/// | the same where `Ok(..)` has steps of its own, or `Err(..)` a `return` or `continue` that skips what follows | CATCH that tells whether there was a failure, and an IF whose ways are the arms |
/// | `fail!("{order.id} is gone").sqlstate("ORD01");` | FAIL; also with `.detail("…")`, in which captures may stand, too, and `.hint("…")` |
/// | `return Ok(value);` | the end of this way; what follows moves into the other branch |
/// | `Ok(Receipt { id: hold.id })` | SQL at the end: `SELECT $hold.id AS id` |
/// | `Ok(hold)` right behind `let hold` | nothing: it is the result already |
/// | `Ok(())` | nothing |
///
/// Anything else is an error on its token that says what to write instead: nothing is computed in the body, so a
/// comparison, a call or a `for` belongs into SQL.
///
/// # What the compiler checks
///
/// The body is compiled a second time as Rust that never runs. So names have the scopes that they have in Rust,
/// captured fields have to be there and `Serialize`, the value of `Ok(..)` has to fit the return type, and a
/// moved value cannot be used again, except in captures. A name that is neither captured nor given on is an unused
/// variable; with a `_` before it the result has no name in the graph either.
///
/// What it cannot check, because it becomes known when SQL runs: that a row has the columns of its type, and of
/// their types. A `let hold: Hold` without a row fails the workflow where `{hold.id}` is used. Fields are
/// captured by their names in Rust, so a `#[serde(rename)]` of a captured field leads nowhere.
///
/// # Where a value goes, its fields go
///
/// Out of a loop, an `if`, a branch or the workflow: `{x.id}` is the field, whatever gave `x` its value. Where all ways
/// give rows, `x` has their columns. A value that comes out of JSON (a signal, a part of the input, a field of a
/// document) is selected as `{"value": …}`, and `{x.id}` is `$x.value.value.id`; a row that another way gives to the
/// same name is made such a document, too. Numbers, texts and booleans are columns in any case.
///
/// A `Vec` of rows is captured as a table, `{rows.*}`, and a `Vec` inside of a document as one value, `{list}`. A name
/// takes one or the other.
///
/// # Differences from Rust
///
/// - A result of SQL is read from its first row; without an `Option` or a `Vec` it should have exactly one.
/// - Values taken from the input or a signal's payload become `bigint`, `double precision`, `boolean` or `text`
///   by their Rust types where they are a value of `Ok(..)`, `break` or `let … = if`, and else `jsonb`. In a
///   capture, PostgreSQL decides by the place.
/// - The branches of a `race!` that lose are cancelled where they stand. What SQL they have committed stays.
/// - An `Err` of a `match` takes every failure but the workflow's own cancellation. Steps of its arms are not caught by it.
/// - What a failed attempt of `retry!` has committed stays, and the next one begins with the block.
/// - `fail!` is not awaited: as behind a `return`, nothing comes behind it. A value that is missing stands in its texts as
///   `NULL`.
/// - `return` in a branch may not leave another way through the same branch on which what follows is reached as
///   well, since a graph would need that twice; and not out of a loop: `break` with a value.
#[doc(inline)]
pub use pg_durable_sdk_macros::workflow;

/// The examples of the guide compile.
#[cfg(doctest)]
#[doc = include_str!("../../docs/workflow-macro.md")]
struct Guide;
