//! The words of a body, a row each: what a word takes, which methods it has, and what it leaves.
//!
//! Whatever reads, lowers or prints a step goes by its row and names no word. A new leaf is a row, and in the SDK
//! what the row's name stands for; a word with steps inside of it is a row, and what is made of it in `lower`.

use crate::{
    operand::{Method, Operand, Takes},
    sql::Template,
    syntax::{error, is_path},
};
use pg_durable_syntax::{
    schedule::{self, ScheduleError},
    sqlstate,
};
use proc_macro2::TokenStream;
use syn::{Expr, Ident, LitStr, Path};

/// What stands before an `.await`.
pub struct Word {
    pub name: &'static str,
    form: Form,
}

/// How a word is written.
enum Form {
    Macro(Macro),
    Function(Function),
    /// `word! { name = event => { … } }`, which is not awaited.
    Arms,
    /// `word!("…")`, behind which nothing comes, so that there is nothing to await.
    End(Text),
}

pub enum Macro {
    Text(Text),
    /// `word!(a, b)`: steps that are carried out at once.
    Branches(Together),
    /// `word!(policy, async { … })`: steps that are carried out again where they fail.
    Again,
}

/// `word!("…")`, which is the text's method of this name in the SDK.
pub struct Text {
    pub read: fn(TokenStream) -> syn::Result<Template>,
    pub leaf: Leaf,
}

/// Which of the branches are waited for.
pub enum Together {
    All,
    First,
}

/// `word(argument)`, which is the builder's function of this name.
pub struct Function {
    pub takes: Takes,
    pub leaf: Leaf,
}

/// What a leaf is like, however it is written.
pub struct Leaf {
    /// Looks at what was written, as far as that is known before the workflow is built.
    pub check: fn(&Argument, &[Method]) -> syn::Result<()>,
    pub leaves: Leaves,
    pub modifiers: &'static [Modifier],
    /// What is said of other methods.
    pub no_more: &'static str,
}

/// What a step leaves behind.
pub enum Leaves {
    /// The rows of SQL.
    Rows,
    Document(Document),
    Nothing,
}

/// A JSON document, in which captures look into one member.
pub struct Document {
    pub member: &'static str,
    /// Several such steps, in messages.
    pub plural: &'static str,
}

/// A method of a step.
pub struct Modifier {
    pub name: &'static str,
    pub says: Says,
    /// What is said of other arguments.
    pub otherwise: &'static str,
    /// What is said on steps that do not have it, where that is more than what they have.
    pub elsewhere: Option<&'static str>,
}

pub enum Says {
    /// `.name::<T>()`: what the result is read as, which only the macro has to know.
    Type,
    /// `.name(argument)`, a method of the builder; perhaps with it there may be no result.
    Builder { takes: Takes, missing: Option<Missing> },
    /// `.name(policy)`: whether and when the step is carried out again.
    Policy,
}

/// That a step may be over without its result.
pub struct Missing {
    /// The member of its document that says so.
    pub told_by: &'static str,
    /// What is said of a type that is no `Option`.
    pub otherwise: &'static str,
}

/// What stands between the parentheses of a leaf.
pub enum Argument {
    Text(Template),
    Operand(Operand),
}

static WORDS: [Word; 10] = [
    Word::text(
        "sql",
        Template::of_step,
        Leaf {
            check: anything,
            leaves: Leaves::Rows,
            modifiers: &[RETURNS, RETRY],
            no_more: "a sql! step has `returns::<T>()`, `retry(..)` and nothing else",
        },
    ),
    Word::function(
        "signal",
        Takes::Constant("the name of a signal is a string or a constant"),
        Leaf {
            check: names_a_signal,
            leaves: Leaves::Document(Document { member: "data", plural: "signals" }),
            modifiers: &[TIMEOUT, RETURNS],
            no_more: "a signal has `timeout(..)` and `returns::<T>()` and nothing else",
        },
    ),
    Word::function(
        "sleep",
        Takes::Length,
        Leaf { check: anything, leaves: Leaves::Nothing, modifiers: &[], no_more: NO_METHODS },
    ),
    Word::function(
        "sleep_until",
        Takes::Captured("the end is a value that the workflow knows: sleep_until({due.at})"),
        Leaf { check: anything, leaves: Leaves::Nothing, modifiers: &[], no_more: NO_METHODS },
    ),
    Word::function(
        "schedule",
        Takes::Constant("a schedule is a cron expression: schedule(\"0 9 * * 1-5\")"),
        Leaf {
            check: is_a_schedule,
            leaves: Leaves::Nothing,
            modifiers: &[IN_TIME_ZONE],
            no_more: "a schedule has `in_time_zone(..)` and nothing else",
        },
    ),
    Word::branches("join", Together::All),
    Word::branches("race", Together::First),
    Word { name: "retry", form: Form::Macro(Macro::Again) },
    Word { name: "select", form: Form::Arms },
    Word {
        name: "fail",
        form: Form::End(Text {
            read: Template::of_message,
            leaf: Leaf {
                check: says_what_fails,
                leaves: Leaves::Nothing,
                modifiers: &[SQLSTATE, DETAIL, HINT],
                no_more: "a failure has `sqlstate(..)`, `detail(..)` and `hint(..)` and nothing else",
            },
        }),
    },
];

const RETURNS: Modifier = Modifier {
    name: "returns",
    says: Says::Type,
    otherwise: "`returns` takes a type: `.returns::<Invoice>()`",
    elsewhere: None,
};

const TIMEOUT: Modifier = Modifier {
    name: "timeout",
    says: Says::Builder {
        takes: Takes::Length,
        missing: Some(Missing {
            told_by: "timed_out",
            otherwise: "a signal with a time-out may not come: make this an `Option<..>`",
        }),
    },
    otherwise: "`timeout` takes a duration: `.timeout(hours(24))`",
    elsewhere: Some("only a signal has a time-out: race the step, `race!(sql!(..), sleep(hours(1)))`"),
};

const IN_TIME_ZONE: Modifier = Modifier {
    name: "in_time_zone",
    says: Says::Builder {
        takes: Takes::Constant("a time zone is a string such as \"Europe/Berlin\""),
        missing: None,
    },
    otherwise: "`in_time_zone` takes a name: `.in_time_zone(\"Europe/Berlin\")`",
    elsewhere: None,
};

const RETRY: Modifier = Modifier {
    name: "retry",
    says: Says::Policy,
    otherwise: "`retry` takes a policy: `.retry(Retry::new().attempts(5))`",
    elsewhere: Some(
        "only a step of SQL has a `retry`: write `retry!(policy, async { … }).await?` around this",
    ),
};

const SQLSTATE: Modifier = Modifier {
    name: "sqlstate",
    says: Says::Builder {
        takes: Takes::Constant("a SQLSTATE is a string or a constant: `.sqlstate(\"PAY01\")`"),
        missing: None,
    },
    otherwise: "`sqlstate` takes five digits and letters: `.sqlstate(\"PAY01\")`",
    elsewhere: None,
};

const DETAIL: Modifier = Modifier {
    name: "detail",
    says: Says::Builder {
        takes: Takes::Text("a detail is a text: `.detail(\"order {order.id}\")`"),
        missing: None,
    },
    otherwise: "`detail` takes a text: `.detail(\"order {order.id}\")`",
    elsewhere: None,
};

const HINT: Modifier = Modifier {
    name: "hint",
    says: Says::Builder {
        takes: Takes::Constant(
            "a hint is a string or a constant, the same for everybody: put values into the detail",
        ),
        missing: None,
    },
    otherwise: "`hint` takes a text: `.hint(\"Enter the order anew.\")`",
    elsewhere: None,
};

/// What is said of the methods of a step that has none.
pub const NO_METHODS: &str = "this step has no methods: await it, `.await?`";

/// The word that a macro is.
pub fn of_macro(path: &Path) -> Option<(&'static Word, &'static Macro)> {
    WORDS.iter().find_map(|word| match &word.form {
        Form::Macro(form) if is_path(path, word.name) => Some((word, form)),
        Form::Macro(_) | Form::Function(_) | Form::Arms | Form::End(_) => None,
    })
}

/// The word that a macro with arms is.
pub fn with_arms(path: &Path) -> Option<&'static Word> {
    WORDS.iter().find(|word| matches!(word.form, Form::Arms) && is_path(path, word.name))
}

/// The word that a macro is behind which nothing comes.
pub fn that_ends(path: &Path) -> Option<(&'static Word, &'static Text)> {
    WORDS.iter().find_map(|word| match &word.form {
        Form::End(form) if is_path(path, word.name) => Some((word, form)),
        Form::Macro(_) | Form::Function(_) | Form::Arms | Form::End(_) => None,
    })
}

/// The word that a function is.
pub fn of_function(function: &Expr) -> Option<(&'static Word, &'static Function)> {
    let Expr::Path(function) = function else { return None };
    WORDS.iter().find_map(|word| match &word.form {
        Form::Function(form) if is_path(&function.path, word.name) => Some((word, form)),
        Form::Macro(_) | Form::Function(_) | Form::Arms | Form::End(_) => None,
    })
}

/// What is said of a method that a step does not have.
pub fn refusal(method: &Ident, no_more: &'static str) -> &'static str {
    if method == "named" {
        return "a result has the name of its `let`: write `let name: T = ….await?`";
    }
    let modifiers = WORDS.iter().filter_map(Word::leaf).flat_map(|leaf| leaf.modifiers);
    let mut named = modifiers.filter(|modifier| method == modifier.name);
    named.find_map(|modifier| modifier.elsewhere).unwrap_or(no_more)
}

/// All words that are awaited, as they are written: `sql!(..), signal(..)`.
pub fn all() -> String {
    let words: Vec<String> = WORDS.iter().filter(|word| word.is_awaited()).map(Word::spelled).collect();
    words.join(", ")
}

/// The macros: `sql!, join!, race!, retry!, select! and fail!`.
pub fn macros() -> String {
    let macros = WORDS.iter().filter(|word| match word.form {
        Form::Macro(_) | Form::Arms | Form::End(_) => true,
        Form::Function(_) => false,
    });
    listed(macros.map(|word| format!("{}!", word.name)), "and")
}

/// The macros that have branches.
pub fn with_branches() -> Vec<String> {
    let words = WORDS.iter().filter(|word| matches!(word.form, Form::Macro(Macro::Branches(_))));
    words.map(|word| format!("`{}!`", word.name)).collect()
}

/// The words that only wait: `signal(..), sleep(..) or schedule(..)`.
pub fn waits() -> String {
    let is_wait = |leaf: &Leaf| !matches!(leaf.leaves, Leaves::Rows);
    let waits = WORDS.iter().filter(|word| word.is_awaited() && word.leaf().is_some_and(is_wait));
    listed(waits.map(Word::spelled), "or")
}

/// What `if let` can look into: `SQL and signals`.
pub fn looked_into() -> String {
    let words = WORDS.iter().filter_map(Word::leaf).filter_map(|leaf| match &leaf.leaves {
        Leaves::Rows => Some("SQL".to_owned()),
        Leaves::Document(document) => Some(document.plural.to_owned()),
        Leaves::Nothing => None,
    });
    listed(words, "and")
}

/// `a, b and c`
pub fn listed(words: impl IntoIterator<Item = String>, last: &str) -> String {
    let words: Vec<String> = words.into_iter().collect();
    match words.split_last() {
        Some((end, [])) => end.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
        None => String::new(),
    }
}

impl Argument {
    /// The text, where it is written out.
    fn literal(&self) -> Option<&LitStr> {
        match self {
            Argument::Text(_) => None,
            Argument::Operand(operand) => operand.literal(),
        }
    }
}

impl Word {
    const fn text(name: &'static str, read: fn(TokenStream) -> syn::Result<Template>, leaf: Leaf) -> Self {
        Self { name, form: Form::Macro(Macro::Text(Text { read, leaf })) }
    }

    const fn function(name: &'static str, takes: Takes, leaf: Leaf) -> Self {
        Self { name, form: Form::Function(Function { takes, leaf }) }
    }

    const fn branches(name: &'static str, together: Together) -> Self {
        Self { name, form: Form::Macro(Macro::Branches(together)) }
    }

    fn is_awaited(&self) -> bool {
        match self.form {
            Form::Macro(_) | Form::Function(_) => true,
            Form::Arms | Form::End(_) => false,
        }
    }

    /// `sql!(..)`, `signal(..)`
    pub fn spelled(&self) -> String {
        match self.form {
            Form::Macro(_) | Form::Arms | Form::End(_) => format!("{}!(..)", self.name),
            Form::Function(_) => format!("{}(..)", self.name),
        }
    }

    fn leaf(&self) -> Option<&Leaf> {
        match &self.form {
            Form::Macro(Macro::Text(Text { leaf, .. }))
            | Form::Function(Function { leaf, .. })
            | Form::End(Text { leaf, .. }) => Some(leaf),
            Form::Macro(Macro::Branches(_) | Macro::Again) | Form::Arms => None,
        }
    }
}

fn anything(_: &Argument, _: &[Method]) -> syn::Result<()> {
    Ok(())
}

fn names_a_signal(argument: &Argument, _: &[Method]) -> syn::Result<()> {
    match argument.literal() {
        Some(name) if name.value().is_empty() => Err(error(name, "the name of the signal is empty")),
        Some(_) | None => Ok(()),
    }
}

fn is_a_schedule(argument: &Argument, methods: &[Method]) -> syn::Result<()> {
    let Some(cron) = argument.literal() else { return Ok(()) };
    let zone = methods.last().and_then(|zone| zone.argument.literal());
    let zone_text = zone.map(LitStr::value);
    schedule::parse(&cron.value(), zone_text.as_deref()).map(drop).map_err(|wrong| {
        let at = match (&wrong, zone) {
            (ScheduleError::TimeZone(_), Some(zone)) => zone,
            _ => cron,
        };
        error(at, wrong.hint().map_or(wrong.to_string(), |hint| format!("{wrong}\n{hint}")))
    })
}

fn says_what_fails(_: &Argument, methods: &[Method]) -> syn::Result<()> {
    let Some(code) = methods.iter().rfind(|method| method.name == SQLSTATE.name) else { return Ok(()) };
    let Some(code) = code.argument.literal() else { return Ok(()) };
    if sqlstate::is_of_failure(&code.value().to_ascii_uppercase()) {
        return Ok(());
    }
    let message = "this is no SQLSTATE that a failure can have: write five digits and letters that begin with none of \
                   00, 01 and 02, `.sqlstate(\"PAY01\")`";
    Err(error(code, message))
}
