//! Steps, and the names that their results get.

use super::{Dest, Lowering, Wanted};
use crate::{
    fixed::{Fixed, Method},
    model::{Block, Branch, Pattern, Step, StepKind},
    plan::{Argument, Leaf, Node, Piece},
    scope::{Base, Binding},
    signature::argument_of,
    sql::{self, Capture, unraw},
};
use proc_macro2::Span;
use quote::format_ident;
use syn::{Expr as Syntax, Ident, Type, spanned::Spanned as _};

impl Lowering<'_> {
    /// `let pattern: T = step.await?`
    pub(super) fn bound_step(&mut self, step: &Step, pattern: &Pattern, ty: Option<&Type>) -> Node {
        match (pattern, &step.kind) {
            (Pattern::Tuple(patterns), StepKind::Join(branches)) => {
                self.bound_join(step, branches, patterns, ty)
            }
            (Pattern::Tuple(_), _) => {
                self.errors
                    .at(step.span, "only `join!` gives a tuple: bind this to a name and capture its fields");
                self.step(step, None)
            }
            (Pattern::Ignored, _) => self.step(step, None),
            (Pattern::Name(name), StepKind::Join(_)) => {
                self.errors.at(name.span(), "give each branch a name: `let (a, b) = join!(..).await?`");
                self.step(step, None)
            }
            (Pattern::Name(name), _) => {
                let (node, binding) = self.named_step(step, name, ty);
                self.scope.bind(name, binding);
                node
            }
            (Pattern::Some(_), _) => {
                self.errors.at(step.span, "`let Some(..)` needs an `else`");
                self.step(step, None)
            }
        }
    }

    pub(super) fn bound_join(
        &mut self,
        step: &Step,
        branches: &[Branch],
        patterns: &[Pattern],
        ty: Option<&Type>,
    ) -> Node {
        if branches.len() != patterns.len() {
            let message = format!(
                "{} branches give {} results: name each, or write `_`",
                branches.len(),
                branches.len()
            );
            self.errors.at(step.span, message);
        }
        let types: Vec<Option<&Type>> = match ty {
            None => vec![None; branches.len()],
            Some(Type::Tuple(tuple)) if tuple.elems.len() == branches.len() => {
                tuple.elems.iter().map(Some).collect()
            }
            Some(other) => {
                self.errors
                    .at(other.span(), "the type of a `join!` is a tuple with one type for each branch");
                vec![None; branches.len()]
            }
        };
        let mut bound = Vec::new();
        let mut nodes = Vec::new();
        for ((branch, pattern), ty) in branches.iter().zip(patterns).zip(types) {
            nodes.push(match (branch, pattern) {
                (Branch::Step(step), Pattern::Name(name)) => {
                    let (node, binding) = self.named_step(step, name, ty);
                    bound.push((name, binding));
                    node
                }
                (Branch::Block(block), Pattern::Name(name)) if !is_unused(name) => {
                    if ty.is_none() {
                        let message = format!(
                            "say the type of the block's value: `let ({name}, …): (T, …) = join!(..).await?`"
                        );
                        self.errors.at(name.span(), message);
                    }
                    let given = self.names.give(&unraw(name));
                    bound.push((name, Binding::new(Base::Rows(given.clone()), ty)));
                    self.branch_block(block, Wanted::AsName(given))
                }
                (Branch::Step(step), _) => self.step(step, None),
                (Branch::Block(block), _) => self.branch_block(block, Wanted::No),
            });
        }
        // Branches do not see each other.
        for (name, binding) in bound {
            self.scope.bind(name, binding);
        }
        Node::Join(nodes)
    }

    /// A step whose result has the name; one with a `_` before it is said not to be used.
    pub(super) fn named_step(&mut self, step: &Step, name: &Ident, ty: Option<&Type>) -> (Node, Binding) {
        let own = match &step.kind {
            StepKind::Sql { returns, .. } | StepKind::Signal { returns, .. } => returns.as_ref(),
            StepKind::Sleep { .. } | StepKind::Schedule { .. } | StepKind::Join(_) | StepKind::Race(_) => {
                None
            }
        };
        if let (StepKind::Signal { timeout: Some(_), .. }, Some(ty)) = (&step.kind, ty)
            && argument_of(ty, "Option").is_none()
        {
            self.errors.at(ty.span(), "a signal with a time-out may not come: make this an `Option<..>`");
        }
        let own = match (&step.kind, own) {
            (StepKind::Signal { timeout: Some(_), .. }, Some(own)) => Some(syn::parse_quote!(Option<#own>)),
            (_, own) => own.cloned(),
        };
        let ty = ty.or(own.as_ref());
        if is_unused(name) {
            return (self.step(step, None), Binding::new(Base::Nothing, ty));
        }
        // Looked at first: what it captures may be an earlier result of the same name.
        let mut node = match &step.kind {
            StepKind::Race(branches) => {
                Node::Race { branches: self.branches(branches, &Wanted::AsResult), name: None }
            }
            StepKind::Sql { .. }
            | StepKind::Signal { .. }
            | StepKind::Sleep { .. }
            | StepKind::Schedule { .. }
            | StepKind::Join(_) => self.step(step, None),
        };
        if matches!(step.kind, StepKind::Sleep { .. } | StepKind::Schedule { .. }) {
            return (node, Binding::new(Base::Nothing, ty));
        }
        if let (StepKind::Race(_), None) = (&step.kind, ty) {
            let message = format!("say the type that all branches give: `let {name}: T = race!(..).await?`");
            self.errors.at(name.span(), message);
        }
        let given = self.names.give(&unraw(name));
        node.rename(&given);
        if let StepKind::Race(branches) = &step.kind {
            self.check_race(branches);
        }
        let binding = self.binding_of(step, &given, ty);
        (node, binding)
    }

    /// All branches of a race that is bound have to leave their values in one form.
    pub(super) fn check_race(&mut self, branches: &[Branch]) {
        let is_signal =
            |branch: &Branch| matches!(branch, Branch::Step(Step { kind: StepKind::Signal { .. }, .. }));
        let signals = branches.iter().filter(|branch| is_signal(branch)).count();
        for branch in branches {
            let Branch::Step(step) = branch else { continue };
            let message = match &step.kind {
                StepKind::Sleep { .. } | StepKind::Schedule { .. } => {
                    "this branch gives no value: write `async { sleep(..).await?; Ok(None) }`, and `Ok(Some(..))` in the others"
                }
                StepKind::Signal { .. } if signals < branches.len() => {
                    "where some branches are signals and some are not, write \
                     `async { let answer: T = signal(..).await?; Ok(answer) }`"
                }
                StepKind::Join(_) | StepKind::Race(_) => {
                    "bind this inside of a block, and give what is wanted of it: `async { let (a, b) = join!(..).await?; Ok(a.id) }`"
                }
                StepKind::Sql { .. } | StepKind::Signal { .. } => continue,
            };
            self.errors.at(step.span, message);
        }
    }

    pub(super) fn binding_of(&self, step: &Step, given: &str, ty: Option<&Type>) -> Binding {
        let is_signal =
            |branch: &Branch| matches!(branch, Branch::Step(Step { kind: StepKind::Signal { .. }, .. }));
        match &step.kind {
            StepKind::Signal { timeout, .. } => {
                let timed_out = timeout.is_some().then(|| format!("{given}.timed_out"));
                Binding::new(Base::Document { path: format!("{given}.data"), is_json: true, timed_out }, ty)
            }
            StepKind::Race(branches) if branches.iter().all(is_signal) => Binding::new(
                Base::Document { path: format!("{given}.data"), is_json: true, timed_out: None },
                ty,
            ),
            StepKind::Sql { .. } | StepKind::Race(_) => Binding::new(Base::Rows(given.to_owned()), ty),
            StepKind::Sleep { .. } | StepKind::Schedule { .. } | StepKind::Join(_) => {
                Binding::new(Base::Nothing, ty)
            }
        }
    }

    pub(super) fn branch_block(&mut self, block: &Block, wanted: Wanted) -> Node {
        let loops = std::mem::take(&mut self.loops);
        let outer = std::mem::replace(&mut self.in_branch, true);
        let nodes = self.block(block, &Dest::Branch(wanted), None);
        self.in_branch = outer;
        self.loops = loops;
        Node::sequence(nodes)
    }

    pub(super) fn step(&mut self, step: &Step, name: Option<&str>) -> Node {
        let name = name.map(str::to_owned);
        match &step.kind {
            StepKind::Sql { text, .. } => {
                let mut pieces = Vec::new();
                for piece in &text.pieces {
                    match piece {
                        sql::Piece::Text(text) => pieces.push(Piece::Text(text.clone())),
                        sql::Piece::Capture(capture) => pieces.extend(self.capture(capture, text.span)),
                    }
                }
                Node::sql(pieces, name)
            }
            StepKind::Signal { name: signal, timeout, .. } => {
                for constant in std::iter::once(signal).chain(timeout) {
                    self.refuse_captures(constant);
                }
                let timeout = timeout.clone().map(|timeout| ("timeout", Fixed::Duration(timeout)));
                leaf("signal", Fixed::Constant(signal.clone()), timeout, name)
            }
            StepKind::Sleep { duration } => {
                self.refuse_captures(duration);
                leaf("sleep", Fixed::Duration(duration.clone()), None, None)
            }
            StepKind::Schedule { cron, timezone } => {
                for constant in std::iter::once(cron).chain(timezone) {
                    self.refuse_captures(constant);
                }
                let timezone = timezone.clone().map(|zone| ("in_time_zone", Fixed::Constant(zone)));
                leaf("schedule", Fixed::Constant(cron.clone()), timezone, None)
            }
            StepKind::Join(branches) => Node::Join(self.branches(branches, &Wanted::No)),
            StepKind::Race(branches) => Node::Race { branches: self.branches(branches, &Wanted::No), name },
        }
    }

    pub(super) fn branches(&mut self, branches: &[Branch], wanted: &Wanted) -> Vec<Node> {
        let nodes = branches.iter().map(|branch| match branch {
            Branch::Step(step) => self.step(step, None),
            Branch::Block(block) => self.branch_block(block, wanted.clone()),
        });
        nodes.collect()
    }

    /// A step that is the value of a way to a name.
    pub(super) fn valued_step(&mut self, step: &Step, name: &str) -> Node {
        if !matches!(step.kind, StepKind::Sql { .. }) {
            self.errors
                .at(step.span, "bind this to a name first, and give the name: `let x: T = ….await?; x`");
        }
        self.step(step, Some(name))
    }

    /// `step.await` at the end: its result is that of the whole.
    pub(super) fn outcome(&mut self, step: &Step, dest: &Dest) -> Vec<Node> {
        let name = match dest {
            Dest::Branch(Wanted::AsName(name)) => Some(name.as_str()),
            Dest::Branch(Wanted::No | Wanted::AsResult) | Dest::Finish | Dest::Nothing | Dest::Name(_) => {
                None
            }
        };
        match &step.kind {
            StepKind::Sql { .. } | StepKind::Sleep { .. } | StepKind::Schedule { .. } => {
                vec![self.step(step, name)]
            }
            StepKind::Signal { .. } | StepKind::Join(_) | StepKind::Race(_) => {
                self.errors
                    .at(step.span, "bind this to a name first, and give what is wanted of it: `Ok(name)`");
                Vec::new()
            }
        }
    }

    pub(super) fn capture(&mut self, capture: &Capture, span: Span) -> Vec<Piece> {
        let mut refuse = |message: String| {
            self.errors.at(span, message);
            Vec::new()
        };
        match capture {
            Capture::Rows(name) => match self.scope.get(name).map(|binding| &binding.base) {
                Some(Base::Rows(name)) => vec![Piece::Rows(name.clone())],
                Some(Base::Document { .. } | Base::Nothing) => {
                    refuse(format!("`{name}` has no rows: only the result of sql! has"))
                }
                None => refuse(format!("`{name}` is not the result of a step that is seen here")),
            },
            Capture::Path(place) => {
                if self.scope.get(&place.root).is_none() {
                    return vec![Piece::Value { value: place.to_expr(), cast: false }];
                }
                let Some(found) = self.resolve(place) else { return Vec::new() };
                if found.binding.is_list && found.fields.is_empty() {
                    let message =
                        format!("`{0}` is all rows: capture them as a table, `FROM {{{0}.*}}`", place.root);
                    self.errors.at(span, message);
                    return Vec::new();
                }
                found.in_place(false)
            }
            Capture::Value(value @ (Syntax::Lit(_) | Syntax::Path(_))) => {
                vec![Piece::Value { value: value.clone(), cast: false }]
            }
            Capture::Value(_) => refuse(
                "a capture is a name, its fields, or a constant: compute in SQL, around the braces"
                    .to_owned(),
            ),
        }
    }

    /// Names, durations and schedules are fixed when the workflow is built.
    pub(super) fn refuse_captures(&mut self, constant: &Syntax) {
        match constant {
            Syntax::Path(path) => {
                if let Some(name) = path.path.get_ident()
                    && self.scope.get(name).is_some()
                {
                    let message = format!(
                        "`{name}` is known only when the workflow runs: this is fixed before, by a constant"
                    );
                    self.errors.at(name.span(), message);
                }
            }
            Syntax::Binary(binary) => {
                self.refuse_captures(&binary.left);
                self.refuse_captures(&binary.right);
            }
            Syntax::Call(call) => call.args.iter().for_each(|argument| self.refuse_captures(argument)),
            Syntax::Paren(inner) => self.refuse_captures(&inner.expr),
            Syntax::Group(inner) => self.refuse_captures(&inner.expr),
            _ => {}
        }
    }
}

impl Node {
    pub(super) fn rename(&mut self, given: &str) {
        match self {
            Node::Leaf(Leaf { name, .. }) | Node::Race { name, .. } => {
                *name = Some(given.to_owned());
            }
            Node::Nothing
            | Node::Sequence(_)
            | Node::Join(_)
            | Node::If { .. }
            | Node::IfSome { .. }
            | Node::Loop(_)
            | Node::Break => {}
        }
    }
}

fn leaf(word: &'static str, argument: Fixed, method: Option<(&str, Fixed)>, name: Option<String>) -> Node {
    let methods = method.map(|(name, argument)| Method { name: format_ident!("{name}"), argument });
    Node::Leaf(Leaf {
        word,
        argument: Argument::Fixed(argument),
        methods: methods.into_iter().collect(),
        name,
    })
}

/// Whether a name says of itself that nobody uses it.
pub(super) fn is_unused(name: &Ident) -> bool {
    name.to_string().starts_with('_')
}
