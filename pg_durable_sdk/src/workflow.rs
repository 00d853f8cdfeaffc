//! The builder of workflows.

use crate::{
    Client, Durability, Fault, InstanceId, IntoParts, Output, Part, ResultName, Run, StartError, TypedPart,
    WorkflowError,
    fault::Misplaced,
    start::{Start, What},
    write,
};
use pg_durable_graph::{Graph, explain, kind::Break, mermaid};
use serde::Serialize;
use serde_json::Value;
use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};
use tokio_postgres::Transaction;

/// A workflow to be started, or to be a part of another one.
///
/// Its steps are carried out in the order in which they were added. `T` is the type that the result is read
/// as: what the last step [`returns`](crate::Step::returns), else [`Output`]. Setters only store; what is
/// wrong is told by [`graph`](Self::graph) and [`start`](Self::start), with the path of the node.
///
/// ```
/// use pg_durable_sdk::{Workflow, signal, sql};
/// use std::time::Duration;
///
/// let workflow = Workflow::new()
///     .label("order 7")
///     .step(sql("UPDATE stock SET held = held + 2 WHERE sku = 'A-1' RETURNING id").named("hold"))
///     .fan_out([
///         sql("INSERT INTO invoices (order_id) VALUES (7)"),
///         sql("INSERT INTO labels (order_id) VALUES (7)"),
///     ])
///     .wait_for_signal(signal("approval").timeout(Duration::from_secs(3600)).named("approval"))
///     .branch(
///         sql("SELECT ($approval.data)->>'approved' = 'true'"),
///         sql("UPDATE orders SET state = 'shipped' WHERE id = 7"),
///         sql("UPDATE stock SET held = held - 2 WHERE id = $hold.id"),
///     );
/// println!("{}", workflow.explain());
/// # workflow.graph().unwrap();
/// ```
#[must_use]
pub struct Workflow<T = Output> {
    steps: Vec<Part>,
    settings: Settings,
    result: PhantomData<fn() -> T>,
}

/// What a workflow says of the instance that is started with it.
#[derive(Debug, Clone, Default)]
struct Settings {
    name: Option<String>,
    label: Option<String>,
    database: Option<String>,
    durability: Option<Durability>,
    idempotency_key: Option<String>,
    input: Option<Input>,
}

/// An input, or why there is none: shared, because the error cannot be cloned.
type Input = Result<Value, Arc<serde_json::Error>>;

impl Workflow {
    /// A workflow without steps.
    pub fn new() -> Self {
        Self { steps: Vec::new(), settings: Settings::default(), result: PhantomData }
    }
}

impl Default for Workflow {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Workflow<T> {
    fn clone(&self) -> Self {
        Self { steps: self.steps.clone(), settings: self.settings.clone(), result: PhantomData }
    }
}

impl<T> fmt::Debug for Workflow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workflow").field("steps", &self.steps).field("settings", &self.settings).finish()
    }
}

/// Adding steps.
impl<T> Workflow<T> {
    /// Adds a step, a wait or a whole workflow.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    ///
    /// let clean_up = Workflow::new().step(sql("CALL archive()")).step(sql("VACUUM orders"));
    /// let workflow = Workflow::new().step(sql("CALL close_day()")).step(clean_up);
    /// # workflow.graph().unwrap();
    /// ```
    pub fn step<P: TypedPart>(self, part: P) -> Workflow<P::Result> {
        self.add(part.into())
    }

    /// Says what the result is read as by [`Run::result`]; [`Output::read`] tells what fits.
    ///
    /// The type of a [`step`](Self::step) is the workflow's anyway; the result of anything else is an
    /// [`Output`] unless this says otherwise.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    ///
    /// let both: Workflow<(i64, i64)> = Workflow::new()
    ///     .fan_out([sql("SELECT count(*) FROM orders"), sql("SELECT count(*) FROM shops")])
    ///     .returns();
    /// ```
    pub fn returns<U>(self) -> Workflow<U> {
        Workflow { steps: self.steps, settings: self.settings, result: PhantomData }
    }

    /// Carries out all branches at once and goes on when all have completed.
    ///
    /// Takes any number of branches (see [`IntoParts`]); a single one is the same as a [`step`](Self::step).
    /// The result is an array of the branches' results, and each branch's named results can be referred to
    /// afterwards. When a branch fails, the others are cancelled and the workflow fails.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    ///
    /// let workflow = Workflow::new()
    ///     .fan_out([1, 2, 3].map(|shop| sql(format!("CALL close_books({shop})"))))
    ///     .fan_out((sql("ANALYZE"), Workflow::new().step(sql("CALL a()")).step(sql("CALL b()"))));
    /// # workflow.graph().unwrap();
    /// ```
    pub fn fan_out<Kind>(self, branches: impl IntoParts<Kind>) -> Workflow {
        self.branches("fan_out", branches.into_parts(), Graph::join)
    }

    /// Carries out all branches at once and goes on with the first that completes; the others are cancelled.
    ///
    /// The result is the winner's, and only the winner's named results can be referred to afterwards.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, signal, sql};
    /// use std::time::Duration;
    ///
    /// let workflow = Workflow::new().race((
    ///     signal("answer"),
    ///     Workflow::new().sleep(Duration::from_secs(60)).step(sql("CALL remind()")),
    /// ));
    /// # workflow.graph().unwrap();
    /// ```
    pub fn race<Kind>(self, branches: impl IntoParts<Kind>) -> Workflow {
        self.branches("race", branches.into_parts(), Graph::race)
    }

    /// Carries out all branches at once and waits for all, whatever becomes of each.
    ///
    /// The result is an array that tells of each branch, in the order given here, `{"status": "completed", "result": …}` or
    /// `{"status": "failed", "error": {"sqlstate": …, "message": …, …}}`; it has [`Settled`](crate::Settled) entries. Names that
    /// a branch has bound are bound where it has completed.
    ///
    /// ```
    /// use pg_durable_sdk::{Settled, Workflow, sql};
    ///
    /// let workflow: Workflow<Vec<Settled>> = Workflow::new()
    ///     .settle(["north", "south"].map(|shop| sql(format!("CALL close_books('{shop}')"))))
    ///     .returns();
    /// # workflow.graph().unwrap();
    /// ```
    pub fn settle<Kind>(self, branches: impl IntoParts<Kind>) -> Workflow {
        self.step(Part::over(branches.into_parts(), Graph::join_settled))
    }

    /// [`race`](Self::race) that fails only once all branches have failed: with the last failure, which has the others as
    /// `suppressed` where it is caught.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    ///
    /// let workflow = Workflow::new().race_any([sql("CALL ask('first')"), sql("CALL ask('second')")]);
    /// # workflow.graph().unwrap();
    /// ```
    pub fn race_any<Kind>(self, branches: impl IntoParts<Kind>) -> Workflow {
        self.step(Part::over(branches.into_parts(), Graph::race_any))
    }

    /// Goes on with `then` where the condition's result is true, else with `otherwise`.
    ///
    /// True is what is not false, null, 0, empty, `'f'`, `'false'` or `'no'` in the first column of the first
    /// row; no row is false.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    ///
    /// let workflow = Workflow::new().branch(
    ///     sql("SELECT count(*) > 100 FROM inbox"),
    ///     sql("CALL call_for_help()"),
    ///     sql("CALL work_on()"),
    /// );
    /// # workflow.graph().unwrap();
    /// ```
    pub fn branch(
        self,
        condition: impl Into<Part>,
        then: impl Into<Part>,
        otherwise: impl Into<Part>,
    ) -> Workflow {
        let children = vec![condition.into(), then.into(), otherwise.into()];
        self.step(combined(children, |[condition, then, otherwise]| {
            Graph::if_else(condition, then, otherwise)
        }))
    }

    /// Carries out `then` where the condition's result is true, and nothing where it is not.
    ///
    /// The condition is read as by [`branch`](Self::branch). The graph is that of an `if` without `else` in
    /// [`#[workflow]`](macro@crate::workflow): on the other way there is a sleep of no length, whose result
    /// says nothing. Where the result is wanted, say with [`branch`](Self::branch) what it is otherwise.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    ///
    /// let workflow = Workflow::new()
    ///     .when(sql("SELECT count(*) > 100 FROM inbox"), sql("CALL call_for_help()"))
    ///     .step(sql("CALL work_on()"));
    /// # workflow.graph().unwrap();
    /// ```
    pub fn when(self, condition: impl Into<Part>, then: impl Into<Part>) -> Workflow {
        self.branch(condition, then, Workflow::new().sleep(Duration::ZERO))
    }

    /// Goes on with `then` where an earlier step's result has rows, else with `otherwise`.
    ///
    /// Takes the step's handle, or the name of its result. A step that has no name needs one from a capture: it
    /// is a fault where there is neither.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Mail { id: i64 }
    ///
    /// let mail = sql("SELECT id FROM inbox ORDER BY id LIMIT 1").returns::<Mail>();
    /// let workflow = Workflow::new()
    ///     .step(&mail)
    ///     .branch_on_rows(&mail, sql!("CALL answer({mail.id})"), sql("CALL rest()"))
    ///     .branch_on_rows("mail", sql("CALL count_one()"), sql("CALL count_none()"));
    /// # workflow.graph().unwrap();
    /// ```
    pub fn branch_on_rows(
        self,
        result: impl Into<ResultName>,
        then: impl Into<Part>,
        otherwise: impl Into<Part>,
    ) -> Workflow {
        self.step(Part::on_rows(result.into(), then.into(), otherwise.into()))
    }

    /// Carries out `body` again and again, until a [`break_with`](Self::break_with) in it.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    /// use std::time::Duration;
    ///
    /// let workflow = Workflow::new().repeat(
    ///     Workflow::new()
    ///         .step(sql("DELETE FROM inbox WHERE id = (SELECT min(id) FROM inbox) RETURNING id").named("mail"))
    ///         .branch_on_rows(
    ///             "mail",
    ///             sql("CALL answer($mail.id)"),
    ///             Workflow::new().break_with("the inbox is empty"),
    ///         ),
    /// );
    /// # workflow.graph().unwrap();
    /// ```
    pub fn repeat(self, body: impl Into<Part>) -> Workflow {
        self.step(combined(vec![body.into()], |[body]| Graph::repeat(body, None)))
    }

    /// [`repeat`](Self::repeat) that goes on where `body` fails: the next generation begins after
    /// `pg_durable.loop_min_interval`.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, schedule, sql};
    ///
    /// let nightly = Workflow::new().wait_for_schedule("0 3 * * *").step(sql("CALL aggregate()"));
    /// let workflow = Workflow::new().repeat_after_failures(nightly);
    /// # workflow.graph().unwrap();
    /// ```
    pub fn repeat_after_failures(self, body: impl Into<Part>) -> Workflow {
        self.step(combined(vec![body.into()], |[body]| Graph::repeat_after_failures(body, None)))
    }

    /// Carries out `body`, and again while the condition's result is true after it.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    ///
    /// let batch = sql("DELETE FROM old_rows WHERE ctid IN (SELECT ctid FROM old_rows LIMIT 1000)");
    /// let workflow = Workflow::new().repeat_while(batch, sql("SELECT EXISTS (SELECT FROM old_rows)"));
    /// # workflow.graph().unwrap();
    /// ```
    pub fn repeat_while(self, body: impl Into<Part>, condition: impl Into<Part>) -> Workflow {
        let children = vec![body.into(), condition.into()];
        self.step(combined(children, |[body, condition]| Graph::repeat(body, Some(condition))))
    }

    /// Leaves the nearest loop around it, whose result becomes `value`: JSON, or else the text itself.
    ///
    /// `$name` references in it are replaced.
    pub fn break_with(self, value: impl Into<String>) -> Workflow {
        self.step(Part::leaf(Ok(Break { value: Some(value.into()) })))
    }

    /// Leaves the nearest loop around it, whose result becomes null.
    pub fn break_loop(self) -> Workflow {
        self.step(Part::leaf(Ok(Break { value: None })))
    }

    fn branches(
        self,
        what: &str,
        mut branches: Vec<Part>,
        combine: fn(Vec<Graph>) -> Result<Graph, pg_durable_graph::GraphError>,
    ) -> Workflow {
        let part = match (branches.len(), branches.pop()) {
            (1, Some(only)) => only,
            (_, None) => Part::faulty(empty(format!("{what} has no branches"), "Add at least one branch.")),
            (_, Some(last)) => {
                branches.push(last);
                Part::over(branches, combine)
            }
        };
        self.step(part)
    }

    /// Puts something around all that there is so far.
    pub(crate) fn wrap(mut self, wrap: impl FnOnce(Part) -> Part) -> Workflow<T> {
        let steps = std::mem::take(&mut self.steps);
        let body = Workflow { steps, settings: Settings::default(), result: PhantomData::<fn() -> T> };
        self.steps.push(wrap(body.to_part()));
        self
    }

    fn add<U>(mut self, part: Part) -> Workflow<U> {
        self.steps.push(part);
        self.returns()
    }
}

/// A node over a fixed number of children.
fn combined<const N: usize>(children: Vec<Part>, combine: impl FnOnce([Graph; N]) -> Graph) -> Part {
    Part::over(children, |graphs| {
        let graphs: [Graph; N] = graphs.try_into().expect("as many graphs as there were children");
        Ok(combine(graphs))
    })
}

fn empty(message: String, hint: &str) -> Misplaced {
    Misplaced { node: pg_durable_graph::NodeId::ROOT, message, hint: Some(hint.to_owned()) }
}

/// How it is to be run.
impl<T> Workflow<T> {
    /// Labels the instance, for people and for `df.list_instances`.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.settings.label = Some(label.into());
        self
    }

    /// Names the result of the whole, for steps that follow it in another workflow.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// Runs the steps in another database of the same cluster, where they are carried out at least once.
    pub fn database(mut self, database: impl Into<String>) -> Self {
        self.settings.database = Some(database.into());
        self
    }

    /// Says when checkpoints reach the disk; without it, the server's setting does.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = Some(durability);
        self
    }

    /// What steps find as `$input`, with its members as `$input.member`.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    ///
    /// #[derive(serde::Serialize)]
    /// struct Order { id: i64 }
    ///
    /// let workflow = Workflow::new()
    ///     .input(&Order { id: 7 })
    ///     .step(sql("UPDATE orders SET state = 'shipped' WHERE id = $input.id"));
    /// # workflow.graph().unwrap();
    /// ```
    pub fn input(mut self, input: &(impl Serialize + ?Sized)) -> Self {
        self.settings.input = Some(write::to_json(input).map_err(Arc::new));
        self
    }

    /// Starts at most one instance for this key: a start with the key of an earlier one returns that one.
    ///
    /// Keys belong to the role. Without one, [`start`](Self::start) makes one up for each call.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.settings.idempotency_key = Some(key.into());
        self
    }
}

/// Looking at it.
impl<T> Workflow<T> {
    /// The graph, which `serde_json::to_value` turns into the wire form; node order and ids depend on nothing
    /// but the workflow.
    ///
    /// Errs with everything that can be seen to be wrong without asking the server.
    ///
    /// ```
    /// use pg_durable_sdk::{Workflow, sql};
    ///
    /// let graph = Workflow::new().step(sql("SELECT 1").named("one")).graph()?;
    /// let wire = serde_json::json!({"node_type": "SQL", "query": "SELECT 1", "result_name": "one"});
    /// assert_eq!(serde_json::to_value(&graph)?, wire);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn graph(&self) -> Result<Graph, WorkflowError> {
        let (graph, faults) = self.to_part().into_graph();
        WorkflowError::unless_empty(faults)?;
        graph.check_limits().map_err(|error| WorkflowError::from(Fault::from(&error)))?;
        WorkflowError::unless_empty(graph.lint().into_iter().map(Fault::from).collect())?;
        Ok(graph)
    }

    /// The graph as a tree of text, as `df.explain` draws it but without the blanks at the ends of lines; for a workflow with
    /// faults, these, line by line.
    pub fn explain(&self) -> String {
        self.drawn(|graph| explain::draw(graph, |_| None))
    }

    /// The graph as a Mermaid flowchart; for a workflow with faults, these as comments.
    pub fn to_mermaid(&self) -> String {
        self.drawn(|graph| mermaid::mermaid(graph, |_| None))
    }

    fn drawn(&self, draw: impl FnOnce(&Graph) -> String) -> String {
        match self.graph() {
            Ok(graph) => draw(&graph),
            Err(error) => {
                let line = |fault: &Fault| format!("%% {}: {}\n", fault.path, fault.message);
                error.faults().iter().map(line).collect()
            }
        }
    }

    fn to_part(&self) -> Part {
        let part = Part::sequence(self.steps.clone()).unwrap_or_else(|| {
            Part::faulty(empty("a workflow needs at least one step".to_owned(), "Add one with step()."))
        });
        part.named(self.settings.name.clone())
    }
}

/// As a part of another workflow it has no instance of its own, so settings of one are a fault.
impl<T> From<Workflow<T>> for Part {
    fn from(workflow: Workflow<T>) -> Self {
        Part::from(&workflow)
    }
}

/// As the part that the workflow itself is.
impl<T> From<&Workflow<T>> for Part {
    fn from(workflow: &Workflow<T>) -> Self {
        let settings = &workflow.settings;
        let misplaced = [
            ("database", settings.database.is_some()),
            ("durability", settings.durability.is_some()),
            ("idempotency_key", settings.idempotency_key.is_some()),
            ("input", settings.input.is_some()),
        ];
        let faults = misplaced.into_iter().filter(|(_, is_set)| *is_set).map(|(setting, _)| {
            empty(
                format!("{setting} is set on a part of a workflow"),
                "Set it on the workflow that is started.",
            )
        });
        faults.fold(workflow.to_part(), Part::with_fault)
    }
}

impl<T> TypedPart for Workflow<T> {
    type Result = T;
}

impl<T> TypedPart for &Workflow<T> {
    type Result = T;
}

/// Starting it.
impl<T> Workflow<T> {
    /// Starts an instance and returns its handle, once the start is committed.
    ///
    /// Where the connection is lost on the way, the start is tried again with the same idempotency key, so
    /// that there is one instance in the end. When that does not succeed within the client's
    /// [`patience`](Client::patience), the error names the key with which [`Client::find`] or a later start
    /// finds out.
    ///
    /// ```no_run
    /// # use pg_durable_sdk::{Client, Workflow, sql};
    /// # async fn start(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let run = Workflow::new().step(sql("CALL close_day()")).start(client).await?;
    /// println!("started {}", run.id());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start(&self, client: &Client) -> Result<Run<T>, StartError> {
        let id = client.start_once(&self.to_start(None)?.with_key()).await?;
        Ok(client.run(id).returns())
    }

    /// Starts an instance in a caller's transaction: it exists when that commits, and otherwise never did.
    ///
    /// [`Client::run`] makes a handle of the id.
    ///
    /// ```no_run
    /// # use pg_durable_sdk::{Client, Workflow, sql};
    /// # async fn order(client: &Client, db: &mut tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let tx = db.transaction().await?;
    /// tx.execute("INSERT INTO orders (id) VALUES (7)", &[]).await?;
    /// let id = Workflow::new().step(sql("CALL fulfil(7)")).start_in(&tx).await?;
    /// tx.commit().await?;
    /// client.run(id).result().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start_in(&self, tx: &Transaction<'_>) -> Result<InstanceId, StartError> {
        self.to_start(None)?.start_in(tx).await
    }

    /// The call that starts it with this input, or with its own.
    pub(crate) fn to_start(&self, input: Option<Value>) -> Result<Start, StartError> {
        let own = || self.settings.input.clone().transpose().map_err(StartError::Input);
        let input = match input {
            Some(input) => Some(input),
            None => own()?,
        };
        Ok(Start {
            what: What::Graph {
                graph: self.graph()?.to_json(),
                database: self.settings.database.clone(),
                durability: self.settings.durability.map(Durability::as_str),
                input,
            },
            label: self.settings.label.clone(),
            idempotency_key: self.settings.idempotency_key.clone(),
        })
    }

    /// The durability and the database with which it is registered.
    pub(crate) fn registered_settings(&self) -> (Option<&'static str>, Option<String>) {
        (self.settings.durability.map(Durability::as_str), self.settings.database.clone())
    }
}

#[cfg(test)]
mod tests;
