//! A workflow with a name, a version and the types of its input and result.

use crate::{Graph, RunAs, Workflow, WorkflowError, schema};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    marker::PhantomData,
};

/// A workflow with a name, a version, the type `I` of its input and the type `O` of its result.
///
/// A function that returns one stands for the workflow, wherever it is started or registered. Its steps find
/// the input as `$input`.
///
/// ```
/// use pg_durable_sdk::{Definition, JsonSchema, Workflow, sql};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, JsonSchema)]
/// struct Order { id: i64, amount: f64 }
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Receipt { invoice: i64 }
///
/// fn fulfil() -> Definition<Order, Receipt> {
///     let invoice = "INSERT INTO invoice (order_id, amount) VALUES ($input.id, $input.amount) RETURNING id AS invoice";
///     Definition::new("order.fulfil", 1, || Workflow::new().step(sql(invoice).returns::<Receipt>()))
/// }
///
/// assert_eq!(fulfil().name(), "order.fulfil");
/// assert_eq!(fulfil().input_schema()["properties"]["id"]["type"], "integer");
/// println!("{}", fulfil().explain());
/// ```
pub struct Definition<I, O> {
    name: Cow<'static, str>,
    version: u32,
    workflow: Workflow<O>,
    run_as: RunAs,
    description: Option<Cow<'static, str>>,
    signals: Vec<Awaited>,
    input: PhantomData<fn(I)>,
}

/// A signal that is waited for, and the schema of its data; there is none where they may be anything.
#[derive(Clone)]
struct Awaited {
    name: Cow<'static, str>,
    schema: fn() -> Option<Value>,
}

impl<I, O> Definition<I, O>
where
    I: Serialize + JsonSchema,
    O: DeserializeOwned + JsonSchema,
{
    /// Makes a definition of the workflow that `build` returns.
    ///
    /// A running instance keeps the version with which it was started, so a changed workflow gets a new one;
    /// versions count from 1.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        version: u32,
        build: impl FnOnce() -> Workflow<O>,
    ) -> Self {
        Self {
            name: name.into(),
            version,
            workflow: build(),
            run_as: RunAs::default(),
            description: None,
            signals: Vec::new(),
            input: PhantomData,
        }
    }

    /// Says as whom its instances run once it is registered: without this, as who starts them.
    ///
    /// ```
    /// # use pg_durable_sdk::{Definition, RunAs, Workflow, sql};
    /// fn archive() -> Definition<(), i64> {
    ///     let moved = sql("SELECT archive_orders() AS moved").returns();
    ///     Definition::new("orders.archive", 1, || Workflow::new().step(moved)).run_as(RunAs::Owner)
    /// }
    /// ```
    #[must_use]
    pub fn run_as(mut self, run_as: RunAs) -> Self {
        self.run_as = run_as;
        self
    }

    /// Describes it, for who reads `df.workflows`.
    ///
    /// ```
    /// # use pg_durable_sdk::{Definition, Workflow, sql};
    /// fn archive() -> Definition<(), i64> {
    ///     let moved = sql("SELECT archive_orders() AS moved").returns();
    ///     Definition::new("orders.archive", 1, || Workflow::new().step(moved))
    ///         .description("Moves last year's orders away.")
    /// }
    /// ```
    #[must_use]
    pub fn description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Says that the data of the signals of this name are a `T`. Once the definition is registered, the server refuses others,
    /// so that whoever signals cannot fail an instance with data that it cannot use. `#[workflow]` says it by itself.
    ///
    /// ```
    /// use pg_durable_sdk::{Definition, JsonSchema, Workflow, signal, sql};
    ///
    /// #[derive(serde::Deserialize, JsonSchema)]
    /// struct Approval { by: String }
    ///
    /// fn approve() -> Definition<i64, ()> {
    ///     let decide = sql("CALL decide($input::bigint, $approval.data.by)").returns();
    ///     Definition::new("order.approve", 1, || {
    ///         Workflow::new().wait_for_signal(signal("approval").named("approval")).step(decide)
    ///     })
    ///     .signal::<Approval>("approval")
    /// }
    /// assert_eq!(approve().signal_schemas()["approval"]["required"], serde_json::json!(["by"]));
    /// ```
    #[must_use]
    pub fn signal<T: DeserializeOwned + JsonSchema>(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.waits_for(name, || Some(schema::read::<T>()))
    }

    /// What `#[workflow]` expands to calls this for each wait.
    #[doc(hidden)]
    #[must_use]
    pub fn waits_for(mut self, name: impl Into<Cow<'static, str>>, schema: fn() -> Option<Value>) -> Self {
        self.signals.push(Awaited { name: name.into(), schema });
        self
    }

    pub(crate) fn runs_as(&self) -> RunAs {
        self.run_as
    }

    pub(crate) fn described(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// What `#[workflow]` expands to calls this.
    #[doc(hidden)]
    pub fn from_macro(name: &'static str, version: u32, build: fn() -> Workflow<O>) -> Self {
        Self::new(name, version, build)
    }

    /// The name under which it is registered.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version under which it is registered.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The workflow itself.
    pub fn workflow(&self) -> &Workflow<O> {
        &self.workflow
    }

    /// Its graph; see [`Workflow::graph`].
    pub fn graph(&self) -> Result<Graph, WorkflowError> {
        self.workflow.graph()
    }

    /// Its graph as a tree of text; see [`Workflow::explain`].
    pub fn explain(&self) -> String {
        self.workflow.explain()
    }

    /// Its graph as a Mermaid flowchart; see [`Workflow::to_mermaid`].
    pub fn to_mermaid(&self) -> String {
        self.workflow.to_mermaid()
    }

    /// The JSON Schema (2020-12) of the input, as `I` is serialized. For `()` it allows `null`, which is what `()`
    /// is in JSON, and `{}`, which is what `df.run(name)` gives.
    ///
    /// ```
    /// # use pg_durable_sdk::{Definition, Workflow, sql};
    /// fn archive() -> Definition<(), i64> {
    ///     let moved = sql("SELECT archive_orders() AS moved").returns();
    ///     Definition::new("orders.archive", 1, || Workflow::new().step(moved))
    /// }
    /// assert_eq!(archive().input_schema()["enum"], serde_json::json!([null, {}]));
    /// ```
    pub fn input_schema(&self) -> Value {
        schema::written::<I>()
    }

    /// The JSON Schema (2020-12) of the result, as `O` is deserialized.
    pub fn output_schema(&self) -> Value {
        let settings = SchemaSettings::draft2020_12().for_deserialize();
        settings.into_generator().into_root_schema_for::<O>().to_value()
    }

    /// The JSON Schemas (2020-12) of signals' data, by the names of the signals. A name is left out where one wait for it
    /// takes anything, or where two waits take different types.
    pub fn signal_schemas(&self) -> Map<String, Value> {
        let mut schemas: BTreeMap<&str, Option<Value>> = BTreeMap::new();
        for Awaited { name, schema } in &self.signals {
            let schema = schema();
            match schemas.entry(name) {
                Entry::Vacant(free) => drop(free.insert(schema)),
                Entry::Occupied(mut other) if *other.get() != schema => drop(other.insert(None)),
                Entry::Occupied(_) => {}
            }
        }
        schemas.into_iter().filter_map(|(name, schema)| Some((name.to_owned(), schema?))).collect()
    }
}

impl<I, O> Clone for Definition<I, O> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            version: self.version,
            workflow: self.workflow.clone(),
            run_as: self.run_as,
            description: self.description.clone(),
            signals: self.signals.clone(),
            input: PhantomData,
        }
    }
}

impl<I, O> fmt::Debug for Definition<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What stands for a [`Definition`]: the definition itself, or a function that returns it.
///
/// ```
/// use pg_durable_sdk::{Define, Definition, Workflow, sql};
///
/// fn count() -> Definition<(), i64> {
///     Definition::new("count", 1, || Workflow::new().step(sql("SELECT 1").returns()))
/// }
///
/// fn name_of(definition: impl Define) -> String {
///     definition.define().name().to_owned()
/// }
/// assert_eq!(name_of(count), name_of(count()));
/// ```
pub trait Define {
    /// The type of the input.
    type Input: Serialize + JsonSchema;
    /// The type of the result.
    type Output: DeserializeOwned + JsonSchema;

    /// The definition.
    fn define(self) -> Definition<Self::Input, Self::Output>;
}

impl<F, I, O> Define for F
where
    F: FnOnce() -> Definition<I, O>,
    I: Serialize + JsonSchema,
    O: DeserializeOwned + JsonSchema,
{
    type Input = I;
    type Output = O;

    fn define(self) -> Definition<I, O> {
        self()
    }
}

impl<I, O> Define for Definition<I, O>
where
    I: Serialize + JsonSchema,
    O: DeserializeOwned + JsonSchema,
{
    type Input = I;
    type Output = O;

    fn define(self) -> Definition<I, O> {
        self
    }
}

impl<I, O> Define for &Definition<I, O>
where
    I: Serialize + JsonSchema,
    O: DeserializeOwned + JsonSchema,
{
    type Input = I;
    type Output = O;

    fn define(self) -> Definition<I, O> {
        self.clone()
    }
}
