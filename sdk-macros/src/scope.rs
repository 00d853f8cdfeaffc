//! Which names are seen where, and what they are called in the graph.

use crate::{
    plan::{Form, Kept, Probe, ProbeStep},
    sql::unraw,
};
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    rc::Rc,
};
use syn::{Ident, Type};

/// What a name of the body stands for.
#[derive(Clone)]
pub struct Binding {
    pub base: Base,
    /// Where its type is known.
    pub probe: Option<Probe>,
    /// Whether the type is an `Option` that captures see through.
    pub is_option: bool,
    /// Whether the type is a `Vec`.
    pub is_list: bool,
    is_used: Rc<Cell<bool>>,
}

#[derive(Clone)]
pub enum Base {
    /// The rows of a named result.
    Rows(String),
    /// A value at the path of a reference: a part of a JSON document, or a column, whose parts would be.
    Document {
        path: String,
        holds: Holds,
        /// Where a signal says that it did not come.
        timed_out: Option<String>,
    },
    /// The result of a name that several ways give a value to.
    Kept { name: String, form: Rc<Cell<Form>> },
    /// The instance that runs.
    Run,
    /// A wait, which leaves nothing behind.
    Nothing,
}

/// What a value at a path is to PostgreSQL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A value of the column's SQL type.
    Column,
    /// All that a signal brought: a number, a text or a document.
    Payload,
    /// A part of a document, of the SQL type that its place wants.
    Part,
}

impl Binding {
    pub fn new(base: Base, ty: Option<&Type>) -> Self {
        let is = |wrapper| ty.is_some_and(|ty| crate::signature::argument_of(ty, wrapper).is_some());
        Self {
            base,
            probe: ty.map(|ty| Probe { root: ty.clone(), steps: Vec::new() }),
            is_option: is("Option"),
            is_list: is("Vec"),
            is_used: Rc::default(),
        }
    }

    /// What `Some(name)` binds.
    pub fn inside(base: Base, probe: Option<Probe>) -> Self {
        Self { base, probe, is_option: false, is_list: false, is_used: Rc::default() }
    }

    /// Whether this is all rows of a result.
    pub fn is_rows(&self) -> bool {
        match self.base {
            Base::Rows(_) => self.is_list,
            Base::Document { .. } | Base::Kept { .. } | Base::Run | Base::Nothing => false,
        }
    }

    /// How a value that goes to this name is kept.
    pub fn kept(&self, form: Rc<Cell<Form>>) -> Kept {
        Kept { form, nullable: self.is_option, probe: self.inner_probe() }
    }

    /// The probe to where captures begin: behind the `Option`.
    pub fn inner_probe(&self) -> Option<Probe> {
        let mut probe = self.probe.clone()?;
        if self.is_option {
            probe.steps.push(ProbeStep::Some);
        }
        Some(probe)
    }
}

/// Whether a name says of itself that nobody uses it.
pub fn is_unused(name: &Ident) -> bool {
    name.to_string().starts_with('_')
}

/// The names that are seen at one place.
#[derive(Clone)]
pub struct Scope {
    names: HashMap<String, Binding>,
    /// All names that were ever bound, in order.
    bound: Rc<RefCell<Vec<Bound>>>,
}

/// A name that was bound, and whether anybody asked for it.
struct Bound {
    name: Ident,
    is_used: Rc<Cell<bool>>,
}

impl Scope {
    /// What is seen at the beginning.
    pub fn new() -> Self {
        let run = Binding::inside(Base::Run, None);
        Self { names: HashMap::from([("run".to_owned(), run)]), bound: Rc::default() }
    }

    pub fn get(&self, name: &Ident) -> Option<&Binding> {
        let binding = self.names.get(&unraw(name))?;
        binding.is_used.set(true);
        Some(binding)
    }

    /// A later binding of the same name shadows the earlier one.
    pub fn bind(&mut self, name: &Ident, binding: Binding) {
        let is_used = binding.is_used.clone();
        self.bound.borrow_mut().push(Bound { name: name.clone(), is_used });
        self.names.insert(unraw(name), binding);
    }

    /// Binds what need not be used.
    pub fn bind_input(&mut self, name: &Ident, binding: Binding) {
        self.names.insert(unraw(name), binding);
    }

    /// The names that nobody asked for, without those that say so themselves.
    pub fn unused(&self) -> Vec<Ident> {
        let bound = self.bound.borrow();
        let unused = bound.iter().filter(|bound| !bound.is_used.get() && !is_unused(&bound.name));
        unused.map(|bound| bound.name.clone()).collect()
    }

    /// Once all ways to a name are known: what is never more than rows is captured as rows.
    pub fn settle(&mut self) {
        for binding in self.names.values_mut() {
            if let Base::Kept { name, form } = &binding.base
                && form.get() == Form::Rows
            {
                binding.base = Base::Rows(name.clone());
            }
        }
    }
}

/// The names that results have in the graph: each is given once, since names of a graph have no scopes.
pub struct Names {
    taken: HashSet<String>,
}

impl Names {
    pub fn new() -> Self {
        // `$input` is the input.
        Self { taken: HashSet::from(["input".to_owned()]) }
    }

    /// The name itself the first time, and then `name_2`, `name_3`, …
    pub fn give(&mut self, name: &str) -> String {
        let plain = match pg_durable_syntax::name::is_name(name) {
            true => name,
            false => "value",
        };
        let numbered = (2_u32..).map(|number| format!("{plain}_{number}"));
        let free = std::iter::once(plain.to_owned()).chain(numbered).find(|name| !self.taken.contains(name));
        let name = free.expect("numbers do not end");
        self.taken.insert(name.clone());
        name
    }
}
