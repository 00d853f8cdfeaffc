//! What the graph is to be: nodes, and how each SQL text is put together when the workflow is built.

use crate::{fixed::Fixed, sql::Language};
use std::{cell::Cell, rc::Rc};
use syn::{Expr, Ident, LitStr, Type};

/// A node and what is below it.
pub enum Node {
    Leaf(Leaf),
    /// A step of SQL whose rows are one of several values of a name.
    Given(Given),
    /// What stands where there is no step.
    Nothing,
    Sequence(Vec<Node>),
    Join(Vec<Node>),
    Race {
        branches: Vec<Node>,
        name: Option<String>,
        /// Whether its result tells who has won.
        is_tagged: bool,
    },
    If {
        condition: Box<Node>,
        then: Box<Node>,
        otherwise: Box<Node>,
    },
    /// Whether a name of SQL has a value: a row, or of a type of one column a value that is not NULL.
    IfSome {
        name: String,
        probe: Option<Probe>,
        then: Box<Node>,
        otherwise: Box<Node>,
    },
    Loop(Box<Node>),
    Retry {
        body: Box<Node>,
        policy: Fixed,
    },
    Catch {
        body: Box<Node>,
        handler: Box<Node>,
        /// The name under which the handler sees the failure.
        error: String,
    },
    Break,
}

/// A step as the builder makes it: a word, what it takes, and the methods behind it.
pub struct Leaf {
    pub word: &'static str,
    pub argument: Argument,
    pub methods: Vec<Method>,
    pub name: Option<String>,
    /// Whether and when it is carried out again.
    pub retry: Option<Fixed>,
}

pub enum Argument {
    Text(Text),
    Operand(Operand),
    /// One of two texts, by how the value is kept.
    Either {
        columns: Vec<Piece>,
        document: Vec<Piece>,
        kept: Kept,
    },
}

/// A text with captures.
pub struct Text {
    pub pieces: Vec<Piece>,
    pub language: Language,
}

pub enum Operand {
    Fixed(Fixed),
    Text(Text),
    Known(Known),
}

/// A value that is known when the step is reached: a text with a reference.
pub struct Known {
    pub text: Vec<Piece>,
    pub probe: Option<Probe>,
}

/// `.name(argument)` of the builder.
pub struct Method {
    pub name: Ident,
    pub argument: Operand,
}

/// A step whose rows are kept as they are, or under a name of their own and then once more, as a document.
pub struct Given {
    pub step: Leaf,
    pub rows: String,
    pub name: Option<String>,
    pub kept: Kept,
}

/// How a value is kept that several ways may give. The type decides where some ways give columns and some a document.
#[derive(Clone)]
pub struct Kept {
    pub form: Rc<Cell<Form>>,
    /// Whether there may be none, whatever the type says.
    pub nullable: bool,
    /// The way to the type, inside of the `Option`.
    pub probe: Option<Probe>,
}

/// What the ways to a name give, the most that one of them does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Rows, whose columns are the fields.
    Rows,
    /// A column, whose parts would be the fields.
    Column,
    /// A part of a JSON document, which has no SQL type.
    Json,
}

/// A part of an SQL text.
pub enum Piece {
    Text(String),
    /// `$path`, with what only the type behind it can say.
    Reference(Reference),
    /// All of the input, as its type has it.
    Input {
        nullable: bool,
        probe: Option<Probe>,
    },
    /// All of a name of SQL as one value, `$name`; refused where its type is that of a row.
    Whole {
        name: String,
        nullable: bool,
        probe: Option<Probe>,
    },
    /// A whole statement that gives a name of SQL again, row or value.
    Again {
        name: String,
        nullable: bool,
        probe: Option<Probe>,
    },
    /// A whole statement that gives a name of SQL again, as a document.
    Document {
        name: String,
        nullable: bool,
        probe: Option<Probe>,
    },
    /// All of a name that several ways give a value to.
    Kept {
        name: String,
        cast: bool,
        kept: Kept,
    },
    /// The id of the instance that runs.
    RunId,
    /// `$name.*`
    Rows(String),
    /// A value of Rust, which becomes a parameter.
    Value {
        value: Expr,
        cast: bool,
    },
    /// The name of the column that the result is read from: this text, unless the type has a field of the name `value`.
    ResultColumn {
        plain: &'static str,
        owner: Probe,
    },
    /// No text: the file that the others are from.
    File(LitStr),
    /// No text: asks that a type has a field of this name in JSON, too.
    Field(Field),
}

/// A field, and the type that is said to have it.
pub struct Field {
    pub owner: Probe,
    pub name: String,
}

/// A reference into a result.
pub struct Reference {
    /// Without the `$`.
    pub path: String,
    /// Whether a missing value is NULL, whatever the type says.
    pub nullable: bool,
    /// Whether the value comes from JSON and needs the SQL type that its Rust type has.
    pub cast: bool,
    /// Whether it is all of a signal's payload, which has the SQL type of what it is.
    pub is_payload: bool,
    pub probe: Option<Probe>,
}

/// The way to a type: it is never walked, but the compiler checks every step and knows what is at its end.
#[derive(Clone)]
pub struct Probe {
    pub root: Type,
    pub steps: Vec<ProbeStep>,
}

#[derive(Clone)]
pub enum ProbeStep {
    Field(Ident),
    /// Into an `Option`.
    Some,
}

impl Node {
    /// A step of SQL, which is what all values are computed with.
    pub fn sql(pieces: Vec<Piece>, name: Option<String>) -> Node {
        let argument = Argument::Text(Text { pieces, language: Language::Sql });
        Node::Leaf(Leaf { word: "sql", argument, methods: Vec::new(), name, retry: None })
    }

    /// One node after the other.
    pub fn sequence(mut nodes: Vec<Node>) -> Node {
        match (nodes.len(), nodes.pop()) {
            (1, Some(only)) => only,
            (_, Some(last)) => {
                nodes.push(last);
                Node::Sequence(nodes)
            }
            (_, None) => Node::Nothing,
        }
    }
}
