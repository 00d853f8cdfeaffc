//! Registering workflows, so that others run them by name.

use crate::{
    Client, Define, Definition, RegisterError, WorkflowError,
    connection::{Parameter, text},
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio_postgres::{error::SqlState, types::Type};

/// As whom the instances of a registered workflow run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RunAs {
    /// As the role that starts it.
    #[default]
    Caller,
    /// As the role that registered it, with that role's rights, as a `SECURITY DEFINER` function would.
    ///
    /// Who may run it may then do what it does: look at what it makes of its input.
    Owner,
}

impl RunAs {
    /// The word that `df.register` takes.
    ///
    /// ```
    /// assert_eq!(pg_durable_sdk::RunAs::default().as_str(), "caller");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            RunAs::Caller => "caller",
            RunAs::Owner => "owner",
        }
    }
}

/// What can be registered at once: one definition, or a tuple of them.
///
/// ```
/// use pg_durable_sdk::{Definition, Definitions, Workflow, sql};
///
/// fn one() -> Definition<(), i64> {
///     Definition::new("one", 1, || Workflow::new().step(sql("SELECT 1").returns()))
/// }
/// fn two() -> Definition<(), i64> {
///     Definition::new("two", 1, || Workflow::new().step(sql("SELECT 2").returns()))
/// }
///
/// fn names(definitions: impl Definitions) -> Vec<String> {
///     definitions.registrations().iter().map(|registration| registration.name().to_owned()).collect()
/// }
/// assert_eq!(names((one, two)), ["one", "two"]);
/// ```
pub trait Definitions {
    /// The definitions, in order.
    fn registrations(self) -> Vec<Registration>;
}

impl<D: Define> Definitions for D {
    fn registrations(self) -> Vec<Registration> {
        vec![Registration::of(&self.define())]
    }
}

macro_rules! tuples_of_definitions {
    ($(($($definition:ident)+))+) => {$(
        impl<$($definition: Define),+> Definitions for ($($definition,)+) {
            fn registrations(self) -> Vec<Registration> {
                #[allow(non_snake_case, reason = "the definitions are named as their types")]
                let ($($definition,)+) = self;
                vec![$(Registration::of(&$definition.define())),+]
            }
        }
    )+};
}

tuples_of_definitions! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
}

/// A definition as it is registered, whatever its types.
#[derive(Debug, Clone)]
pub struct Registration {
    name: String,
    version: u32,
    graph: Result<String, WorkflowError>,
    input_schema: Value,
    output_schema: Value,
    run_as: RunAs,
    durability: Option<&'static str>,
    database: Option<String>,
    description: Option<String>,
    /// The schemas of signals, where there are any.
    signals: Option<Value>,
}

impl Registration {
    fn of<I, O>(definition: &Definition<I, O>) -> Self
    where
        I: Serialize + JsonSchema,
        O: DeserializeOwned + JsonSchema,
    {
        let (durability, database) = definition.workflow().registered_settings();
        let signals = definition.signal_schemas();
        Self {
            name: definition.name().to_owned(),
            version: definition.version(),
            graph: definition.graph().map(|graph| graph.to_json()),
            input_schema: definition.input_schema(),
            output_schema: definition.output_schema(),
            run_as: definition.runs_as(),
            durability,
            database,
            description: definition.described().map(str::to_owned),
            signals: (!signals.is_empty()).then_some(Value::Object(signals)),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version.
    pub fn version(&self) -> u32 {
        self.version
    }
}

/// How many parameters one registration has.
const PARAMETERS: usize = 10;

/// One statement, so that all are registered or none.
fn statement(count: usize) -> String {
    let call = |nth: usize| {
        let [a, b, c, d, e, f, g, h, i, j] = std::array::from_fn(|at| nth * PARAMETERS + at + 1);
        format!(
            "df.register(${a}, ${b}, version => ${c}, input_schema => ${d}, output_schema => ${e}, \
             run_as => ${f}, durability => ${g}, database => ${h}, description => ${i}, \
             signals => ${j})"
        )
    };
    format!("SELECT {}", (0..count).map(call).collect::<Vec<_>>().join(", "))
}

/// Registered workflows.
impl Client {
    /// Registers a workflow under its name and version, or several: all or none.
    ///
    /// To register the same again does nothing, so that a service can do it whenever it starts. A changed
    /// workflow under a version that there is already is refused with the difference.
    ///
    /// Running instances keep the version with which they were started.
    ///
    /// ```no_run
    /// # use pg_durable_sdk::{Client, Definition, RegisterError};
    /// # async fn register(
    /// #     client: &Client, fulfil: fn() -> Definition<i64, i64>, nightly_report: fn() -> Definition<(), i64>,
    /// # ) -> Result<(), RegisterError> {
    /// client.register(fulfil).await?;
    /// match client.register((fulfil, nightly_report)).await {
    ///     Err(RegisterError::Conflict { difference, .. }) => eprintln!("raise the version:\n{difference}"),
    ///     result => result?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn register(&self, definitions: impl Definitions) -> Result<(), RegisterError> {
        let registrations = definitions.registrations();
        let mut rows = Vec::with_capacity(registrations.len());
        for registration in registrations {
            let name = || registration.name.clone();
            let graph = registration.graph.clone();
            let graph = graph.map_err(|source| RegisterError::Workflow { name: name(), source })?;
            let version = i32::try_from(registration.version)
                .map_err(|_| RegisterError::Version { name: name(), version: registration.version })?;
            rows.push((registration, graph, version));
        }
        let mut parameters: Vec<Parameter<'_>> = Vec::with_capacity(rows.len() * PARAMETERS);
        let run_as: Vec<&str> = rows.iter().map(|(registration, ..)| registration.run_as.as_str()).collect();
        for ((registration, graph, version), run_as) in rows.iter().zip(&run_as) {
            parameters.extend([
                text(&registration.name),
                text(graph),
                (version, Type::INT4),
                (&registration.input_schema, Type::JSONB),
                (&registration.output_schema, Type::JSONB),
                text(run_as),
                text(&registration.durability),
                text(&registration.database),
                text(&registration.description),
                (&registration.signals, Type::JSONB),
            ]);
        }
        match self.query_again(&statement(rows.len()), &parameters).await {
            Ok(_) => Ok(()),
            Err(error) if error.is(&SqlState::DUPLICATE_OBJECT) => Err(RegisterError::Conflict {
                difference: error.detail().unwrap_or_default().to_owned(),
                source: error,
            }),
            Err(error) if error.is(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                Err(RegisterError::NotAllowed { source: error })
            }
            Err(error) => Err(error.into()),
        }
    }
}
