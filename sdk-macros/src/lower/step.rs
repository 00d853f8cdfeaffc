//! Steps, and the names that their results get.

use super::{Dest, Lowering, Wanted, choice::Choice};
use crate::{
    model::{Block, Branch, Left, Pattern, Retry, Step, StepKind},
    plan::{Argument, Form, Given, Leaf, Node, Piece, Text},
    scope::{Base, Binding, Holds, is_unused},
    signature::argument_of,
    sql::{self, Capture, Template, list_has_no_rows, unraw},
    word::{self, Document, Leaves, Missing},
};
use proc_macro2::Span;
use syn::{Expr as Syntax, Ident, Type, spanned::Spanned as _};

impl Lowering<'_> {
    /// `let pattern: T = step.await?`
    pub(super) fn bound_step(&mut self, step: &Step, pattern: &Pattern, ty: Option<&Type>) -> Node {
        match (pattern, step.left()) {
            (Pattern::Tuple(patterns), Left::Each(branches)) => self.bound_join(step, branches, patterns, ty),
            (Pattern::Tuple(_), _) => {
                self.errors
                    .at(step.span, "only `join!` gives a tuple: bind this to a name and capture its fields");
                self.step(step, None)
            }
            (Pattern::Ignored, _) => self.step(step, None),
            (Pattern::Name(name), Left::Each(_)) => {
                self.errors.at(name.span(), "give each branch a name: `let (a, b) = join!(..).await?`");
                self.step(step, None)
            }
            (Pattern::Name(name), _) => {
                let (node, binding) = self.named_step(step, name, ty);
                self.scope.bind(name, binding);
                self.scope.settle();
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
                    let choice = Choice::new(Some(self.names.give(&unraw(name))), ty);
                    bound.push((name, choice.binding()));
                    self.branch_block(block, &Wanted::As(choice))
                }
                (Branch::Step(step), _) => self.step(step, None),
                (Branch::Block(block), _) => self.branch_block(block, &Wanted::No),
            });
        }
        // Branches do not see each other.
        for (name, binding) in bound {
            self.scope.bind(name, binding);
        }
        self.scope.settle();
        Node::Join(nodes)
    }

    /// A step whose result has the name; one with a `_` before it is said not to be used.
    pub(super) fn named_step(&mut self, step: &Step, name: &Ident, ty: Option<&Type>) -> (Node, Binding) {
        let ty = self.type_of(step, ty);
        let ty = ty.as_ref();
        if is_unused(name) {
            return (self.step(step, None), Binding::new(Base::Nothing, ty));
        }
        if let StepKind::Retry(retry) = &step.kind {
            if ty.is_none() {
                let message =
                    format!("say the type of the block's value: `let {name}: T = retry!(..).await?`");
                self.errors.at(name.span(), message);
            }
            let choice = Choice::new(Some(self.names.give(&unraw(name))), ty);
            return (self.retry(retry, &Dest::Branch(Wanted::As(choice.clone()))), choice.binding());
        }
        // Looked at first: what it captures may be an earlier result of the same name.
        let choice = Choice::new(None, ty);
        let mut node = match step.left() {
            Left::Nothing => return (self.step(step, None), Binding::new(Base::Nothing, ty)),
            Left::First(branches) => Node::Race {
                branches: self.branches(branches, &Wanted::As(choice.clone())),
                name: None,
                is_tagged: false,
            },
            Left::Rows | Left::Document(_) | Left::Each(_) => self.step(step, None),
        };
        if let (Left::First(_), None) = (step.left(), ty) {
            let message = format!("say the type that all branches give: `let {name}: T = race!(..).await?`");
            self.errors.at(name.span(), message);
        }
        let given = self.names.give(&unraw(name));
        node.rename(&given);
        if let Left::First(branches) = step.left() {
            self.check_race(branches);
        }
        let binding = match step.left() {
            Left::First(branches) if document_of_all(branches).is_none() => choice.named(given).binding(),
            Left::First(_) | Left::Rows | Left::Document(_) | Left::Nothing | Left::Each(_) => {
                self.binding_of(step, &given, ty)
            }
        };
        (node, binding)
    }

    /// What the result is read as, by its name's type or by what the step says itself.
    pub(super) fn type_of(&mut self, step: &Step, ty: Option<&Type>) -> Option<Type> {
        if let (Some(missing), Some(ty)) = (step.missing(), ty)
            && argument_of(ty, "Option").is_none()
        {
            self.errors.at(ty.span(), missing.otherwise);
        }
        let own = match (step.missing(), step.returns()) {
            (Some(_), Some(own)) => Some(syn::parse_quote!(Option<#own>)),
            (_, own) => own.cloned(),
        };
        ty.cloned().or(own)
    }

    /// All branches of a race that is bound have to leave their values in one form.
    pub(super) fn check_race(&mut self, branches: &[Branch]) {
        for branch in branches {
            let Branch::Step(step) = branch else { continue };
            let message = match step.left() {
                Left::Rows => continue,
                Left::Document(_) if document_of_all(branches).is_some() => continue,
                Left::Document(document) => format!(
                    "where some branches are {} and some are not, write `async {{ let answer: T = {}.await?; Ok(answer) }}`",
                    document.plural,
                    step.word.spelled()
                ),
                Left::Nothing => {
                    "this branch gives no value: write `async { sleep(..).await?; Ok(None) }`, and `Ok(Some(..))` in the others".to_owned()
                }
                Left::Each(_) | Left::First(_) => {
                    "bind this inside of a block, and give what is wanted of it: `async { let (a, b) = join!(..).await?; Ok(a.id) }`".to_owned()
                }
            };
            self.errors.at(step.span, message);
        }
    }

    pub(super) fn binding_of(&self, step: &Step, given: &str, ty: Option<&Type>) -> Binding {
        let base = match step.left() {
            Left::Document(document) => part_of(document, given, step.missing()),
            Left::First(branches) => match document_of_all(branches) {
                Some(document) => part_of(document, given, None),
                None => Base::Rows(given.to_owned()),
            },
            Left::Rows => Base::Rows(given.to_owned()),
            Left::Nothing | Left::Each(_) => Base::Nothing,
        };
        Binding::new(base, ty)
    }

    pub(super) fn branch_block(&mut self, block: &Block, wanted: &Wanted) -> Node {
        self.async_block(block, &Dest::Branch(wanted.clone()))
    }

    /// A block that no `return` and no `break` leaves.
    fn async_block(&mut self, block: &Block, dest: &Dest) -> Node {
        let loops = std::mem::take(&mut self.loops);
        let outer = std::mem::replace(&mut self.in_branch, true);
        let nodes = self.block(block, dest, None);
        self.in_branch = outer;
        self.loops = loops;
        Node::sequence(nodes)
    }

    /// What a block is whose value goes on: the way to a name is `Ok(..)` there.
    pub(super) fn inner(&mut self, body: &Branch, dest: &Dest) -> Node {
        let dest = match dest {
            Dest::Nothing => Dest::Branch(Wanted::No),
            Dest::Name(choice) => Dest::Branch(Wanted::As(choice.clone())),
            Dest::Branch(_) | Dest::Finish => dest.clone(),
        };
        match body {
            Branch::Block(block) => self.async_block(block, &dest),
            Branch::Step(step) => Node::sequence(self.outcome(step, &dest)),
        }
    }

    fn retry(&mut self, retry: &Retry, dest: &Dest) -> Node {
        let policy = self.policy(&retry.policy);
        Node::Retry { body: Box::new(self.inner(&retry.body, dest)), policy }
    }

    pub(super) fn step(&mut self, step: &Step, name: Option<&str>) -> Node {
        let name = name.map(str::to_owned);
        match &step.kind {
            StepKind::Leaf(written) => {
                let argument = match &written.argument {
                    word::Argument::Text(text) => Argument::Text(self.text(text)),
                    word::Argument::Operand(operand) => Argument::Operand(self.operand(operand)),
                };
                let methods = self.methods(&written.methods);
                let retry = written.retry.as_ref().map(|policy| self.policy(policy));
                let name = match written.leaf.leaves {
                    Leaves::Rows | Leaves::Document(_) => name,
                    Leaves::Nothing => None,
                };
                Node::Leaf(Leaf { word: step.word.name, argument, methods, name, retry })
            }
            StepKind::Join(branches) => Node::Join(self.branches(branches, &Wanted::No)),
            StepKind::Race(branches) => {
                Node::Race { branches: self.branches(branches, &Wanted::No), name, is_tagged: false }
            }
            StepKind::Retry(retry) => self.retry(retry, &Dest::Nothing),
        }
    }

    pub(super) fn branches(&mut self, branches: &[Branch], wanted: &Wanted) -> Vec<Node> {
        let nodes = branches.iter().map(|branch| match branch {
            Branch::Step(step) => match wanted {
                Wanted::No => self.step(step, None),
                Wanted::As(choice) => self.given_step(step, choice),
            },
            Branch::Block(block) => self.branch_block(block, wanted),
        });
        nodes.collect()
    }

    pub(super) fn text(&mut self, text: &Template) -> Text {
        let pieces = text.pieces.iter().flat_map(|piece| match piece {
            sql::Piece::Text(text) => vec![Piece::Text(text.clone())],
            sql::Piece::Capture(capture) => self.capture(capture, text.span),
        });
        let pieces = text.file.iter().map(|file| Piece::File(file.clone())).chain(pieces).collect();
        Text { pieces, language: text.language }
    }

    /// A step that is the value of a way to a name.
    pub(super) fn valued_step(&mut self, step: &Step, choice: &Choice) -> Node {
        if !matches!(step.left(), Left::Rows) && !matches!(step.kind, StepKind::Retry(_)) {
            self.errors
                .at(step.span, "bind this to a name first, and give the name: `let x: T = ….await?; x`");
        }
        self.given_step(step, choice)
    }

    /// A step whose rows are a value of a choice.
    fn given_step(&mut self, step: &Step, choice: &Choice) -> Node {
        if let StepKind::Retry(retry) = &step.kind {
            return self.retry(retry, &Dest::Name(choice.clone()));
        }
        match (self.step(step, choice.name()), step.left()) {
            (Node::Leaf(leaf), Left::Rows) => {
                choice.offer(Form::Rows, step.span, self.errors);
                let rows = self.names.give(&format!("{}_row", choice.name().unwrap_or("branch")));
                let name = choice.name().map(str::to_owned);
                Node::Given(Given { step: leaf, rows, name, kept: choice.kept() })
            }
            (node, _) => node,
        }
    }

    /// `step.await` at the end: its result is that of the whole.
    pub(super) fn outcome(&mut self, step: &Step, dest: &Dest) -> Vec<Node> {
        if let StepKind::Retry(retry) = &step.kind {
            return vec![self.retry(retry, dest)];
        }
        match step.left() {
            Left::Rows | Left::Nothing => match dest {
                Dest::Branch(Wanted::As(choice)) | Dest::Name(choice) => vec![self.given_step(step, choice)],
                Dest::Branch(Wanted::No) | Dest::Finish | Dest::Nothing => vec![self.step(step, None)],
            },
            Left::Document(_) | Left::Each(_) | Left::First(_) => {
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
            Capture::Rows(name) => match self.scope.get(name).map(|binding| (&binding.base, binding.is_list))
            {
                Some((Base::Rows(name), _)) => vec![Piece::Rows(name.clone())],
                Some((Base::Document { .. } | Base::Kept { .. }, true)) => {
                    refuse(list_has_no_rows(&name.to_string()))
                }
                Some((Base::Document { .. } | Base::Kept { .. }, false)) => refuse(format!(
                    "`{name}` is one value and has no rows: capture its fields, or take it apart in SQL, `FROM \
                     jsonb_to_record({{{name}}}) AS x(id bigint, …)`"
                )),
                Some((Base::Run | Base::Nothing, _)) => {
                    refuse(format!("`{name}` has no rows: only the result of sql! has"))
                }
                None => refuse(format!("`{name}` is not the result of a step that is seen here")),
            },
            Capture::Path(place) => {
                if self.scope.get(&place.root).is_none() {
                    return vec![Piece::Value { value: place.to_expr(), cast: false }];
                }
                let Some(found) = self.resolve(place) else { return Vec::new() };
                if found.binding.is_rows() && found.fields.is_empty() {
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
    pub(super) fn refuse_captures(&mut self, constant: &Syntax, instead: &str) {
        match constant {
            Syntax::Path(path) => {
                if let Some(name) = path.path.get_ident()
                    && self.scope.get(name).is_some()
                {
                    let message = format!("`{name}` is known only when the workflow runs: {instead}");
                    self.errors.at(name.span(), message);
                }
            }
            Syntax::Binary(binary) => {
                self.refuse_captures(&binary.left, instead);
                self.refuse_captures(&binary.right, instead);
            }
            Syntax::Call(call) => {
                call.args.iter().for_each(|argument| self.refuse_captures(argument, instead))
            }
            Syntax::MethodCall(call) => {
                self.refuse_captures(&call.receiver, instead);
                call.args.iter().for_each(|argument| self.refuse_captures(argument, instead));
            }
            Syntax::Array(list) => list.elems.iter().for_each(|inner| self.refuse_captures(inner, instead)),
            Syntax::Field(field) => self.refuse_captures(&field.base, instead),
            Syntax::Reference(reference) => self.refuse_captures(&reference.expr, instead),
            Syntax::Paren(inner) => self.refuse_captures(&inner.expr, instead),
            Syntax::Group(inner) => self.refuse_captures(&inner.expr, instead),
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
            Node::Given(_)
            | Node::Nothing
            | Node::Sequence(_)
            | Node::Join(_)
            | Node::If { .. }
            | Node::IfSome { .. }
            | Node::Loop(_)
            | Node::Retry { .. }
            | Node::Catch { .. }
            | Node::Break => {}
        }
    }
}

/// The document that each of the branches leaves, if they are all of one word.
fn document_of_all(branches: &[Branch]) -> Option<&'static Document> {
    let mut documents = branches.iter().map(|branch| match branch {
        Branch::Step(step) => match step.left() {
            Left::Document(document) => Some(document),
            Left::Rows | Left::Nothing | Left::Each(_) | Left::First(_) => None,
        },
        Branch::Block(_) => None,
    });
    let first = documents.next()??;
    documents.all(|other| other.is_some_and(|other| std::ptr::eq(other, first))).then_some(first)
}

/// The part of a document that captures look into.
fn part_of(document: &Document, given: &str, missing: Option<&Missing>) -> Base {
    Base::Document {
        path: format!("{given}.{}", document.member),
        holds: Holds::Payload,
        timed_out: missing.map(|missing| format!("{given}.{}", missing.told_by)),
    }
}
