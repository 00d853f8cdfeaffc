//! The wire form: nested JSON objects with a `node_type`, as `df.start` takes them and the builders make them.
//!
//! Texts come from users and may be nested without end. Nothing here recurses over a graph on the caller's
//! stack: the parser grows its stack on the heap and is refused absurd depths beforehand, and what it reads
//! goes straight into an arena, so that dropping it is flat, too.

use std::cell::Cell;
use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;

use crate::config::push_json_string;
use crate::error::{GraphError, Problem};
use crate::graph::{Graph, Node, depth_below, path_of};
use crate::kind::{
    Break, Condition, If, Join, Loop, Member, NodeKind, Race, Signal, Sleep, Sql, Then, WaitSchedule,
};
use crate::limits::{MAX_BRACKETS, MAX_DEPTH, MAX_NODES, MAX_PARAM_DEPTH};
use crate::name::check_result_name;
use crate::node_id::NodeId;

/// What text turned out to be; see [`read`].
pub(crate) enum Wire {
    /// A graph.
    Graph(Graph),
    /// Text that is not Durofut JSON at all, and so is taken for SQL.
    Sql,
}

impl Graph {
    /// Reads what `df.start` takes: Durofut JSON, or else plain SQL, which becomes one SQL node.
    pub fn from_json(text: &str) -> Result<Graph, GraphError> {
        match read(text)? {
            Wire::Graph(graph) => Ok(graph),
            Wire::Sql => Ok(Graph::leaf(NodeKind::Sql(Sql::new(text)))),
        }
    }

    /// Reads Durofut JSON that is parsed already. Here a value without `node_type` is an error.
    pub fn from_value(value: &Value) -> Result<Graph, GraphError> {
        let mut arena = Vec::new();
        let read = ChildSeed { arena: &mut arena }.deserialize(serde_stacker::Deserializer::new(value));
        let malformed = |reason: String| Problem::Malformed { node_type: String::new(), reason };
        match read.map_err(|error| malformed(error.to_string()))? {
            Child::Node(root) => build(arena, root),
            Child::Absent | Child::NotObject => Err(Problem::ChildNotObject.into()),
        }
    }

    /// Writes the graph in wire form, compactly and in a fixed order of members.
    pub fn to_json(&self) -> String {
        enum Piece {
            Text(&'static str),
            Node(NodeId),
            Tail(NodeId),
        }
        let mut out = String::new();
        // The last piece is written next, so each node pushes its parts in reverse.
        let mut pieces = vec![Piece::Node(NodeId::ROOT)];
        while let Some(piece) = pieces.pop() {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Node(id) => {
                    out.push_str(r#"{"node_type":""#);
                    out.push_str(self.kind(id).name());
                    out.push('"');
                    pieces.push(Piece::Tail(id));
                    let start = pieces.len();
                    let children = Children::of(self.kind(id));
                    for (member, child) in children.single() {
                        pieces.extend([Piece::Text(member.key()), Piece::Node(child)]);
                    }
                    for (nth, child) in children.extra.iter().enumerate() {
                        let before = if nth == 0 { r#","extra_nodes":["# } else { "," };
                        pieces.extend([Piece::Text(before), Piece::Node(*child)]);
                    }
                    if !children.extra.is_empty() {
                        pieces.push(Piece::Text("]"));
                    }
                    pieces[start..].reverse();
                }
                Piece::Tail(id) => {
                    if let Some(query) = self.kind(id).query() {
                        out.push_str(r#","query":"#);
                        push_json_string(&mut out, &query);
                    }
                    if let Some(params) = self.kind(id).params() {
                        push_params(&mut out, params);
                    }
                    if let Some(name) = &self.node(id).result_name {
                        out.push_str(r#","result_name":"#);
                        push_json_string(&mut out, name);
                    }
                    out.push('}');
                }
            }
        }
        out
    }
}

/// The wire form as an object. A serializer that builds a tree (such as `serde_json::to_value`) is left with one
/// as deep as the graph is long; [`Graph::to_json`] is not.
impl Serialize for Graph {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Nested { graph: self, id: NodeId::ROOT }.serialize(serializer)
    }
}

struct Nested<'a> {
    graph: &'a Graph,
    id: NodeId,
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        stacker::maybe_grow(64 * 1024, 2 * 1024 * 1024, || self.serialize_node(serializer))
    }
}

impl Nested<'_> {
    fn serialize_node<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nested = |id| Nested { graph: self.graph, id };
        let node = self.graph.node(self.id);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("node_type", node.kind.name())?;
        let children = Children::of(&node.kind);
        for (member, child) in children.single() {
            map.serialize_entry(member.name(), &nested(child))?;
        }
        if !children.extra.is_empty() {
            let extra: Vec<_> = children.extra.iter().map(|child| nested(*child)).collect();
            map.serialize_entry("extra_nodes", &extra)?;
        }
        if let Some(query) = node.kind.query() {
            map.serialize_entry("query", &query)?;
        }
        if let Some(params) = node.kind.params() {
            map.serialize_entry("params", params)?;
        }
        if let Some(name) = &node.result_name {
            map.serialize_entry("result_name", name)?;
        }
        map.end()
    }
}

/// A node's children by their members of the wire form.
#[derive(Default)]
pub(crate) struct Children<'a> {
    pub left: Option<NodeId>,
    pub right: Option<NodeId>,
    pub condition: Option<NodeId>,
    pub extra: &'a [NodeId],
}

impl<'a> Children<'a> {
    pub fn of(kind: &'a NodeKind) -> Children<'a> {
        let none = Children::default();
        match kind {
            NodeKind::Then(then) => Children { left: Some(then.first), right: Some(then.next), ..none },
            NodeKind::If(branch) => {
                let condition = match branch.condition {
                    Condition::Node(condition) => Some(condition),
                    Condition::HasRows(_) => None,
                };
                Children { left: Some(branch.then), right: Some(branch.otherwise), condition, ..none }
            }
            NodeKind::Join(Join { branches }) | NodeKind::Race(Race { branches }) => Children {
                left: branches.first().copied(),
                right: branches.get(1).copied(),
                extra: branches.get(2..).unwrap_or_default(),
                ..none
            },
            NodeKind::Loop(repeat) => {
                Children { left: Some(repeat.body), condition: repeat.condition, ..none }
            }
            NodeKind::Sql(_)
            | NodeKind::Break(_)
            | NodeKind::Sleep(_)
            | NodeKind::WaitSchedule(_)
            | NodeKind::Signal(_) => none,
        }
    }

    /// The members that hold one child, in the order in which they are written.
    fn single(&self) -> impl Iterator<Item = (Single, NodeId)> {
        [(Single::Left, self.left), (Single::Right, self.right), (Single::Condition, self.condition)]
            .into_iter()
            .filter_map(|(member, child)| Some((member, child?)))
    }
}

#[derive(Clone, Copy)]
enum Single {
    Left,
    Right,
    Condition,
}

impl Single {
    fn name(self) -> &'static str {
        match self {
            Single::Left => "left_node",
            Single::Right => "right_node",
            Single::Condition => "condition_node",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Single::Left => r#","left_node":"#,
            Single::Right => r#","right_node":"#,
            Single::Condition => r#","condition_node":"#,
        }
    }
}

/// Reads text that may be Durofut JSON.
pub(crate) fn read(text: &str) -> Result<Wire, GraphError> {
    if !text.trim_start().starts_with('{') {
        return Ok(Wire::Sql);
    }
    if brackets(text) > MAX_BRACKETS {
        return Err(Problem::TooDeep.into());
    }
    let mut arena = Vec::new();
    let mut json = serde_json::Deserializer::from_str(text);
    json.disable_recursion_limit();
    let root = ChildSeed { arena: &mut arena }.deserialize(serde_stacker::Deserializer::new(&mut json));
    match (root, json.end()) {
        (Ok(Child::Node(root)), Ok(())) if matches!(arena[root].node_type, Text::Given(_)) => {
            build(arena, root).map(Wire::Graph)
        }
        // Not JSON, JSON with a rest, or an object that does not claim to be a node.
        _ => Ok(Wire::Sql),
    }
}

/// How many brackets are open at once at most. Strings are skipped; whether the text is JSON does not matter.
fn brackets(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match (in_string, byte) {
            (true, b'\\') => {
                bytes.next();
            }
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// An object as it was read: any member may still be anything.
#[derive(Default)]
struct Raw {
    node_type: Text,
    left: Child,
    right: Child,
    condition: Child,
    extra: Extra,
    query: Text,
    params: Params,
    result_name: Text,
}

#[derive(Default)]
enum Params {
    #[default]
    Absent,
    Given(Vec<Value>),
    NotArray,
    TooDeep,
}

#[derive(Default)]
enum Text {
    #[default]
    Absent,
    Given(String),
    Other,
}

#[derive(Default, Clone, Copy)]
enum Child {
    #[default]
    Absent,
    /// An index into the arena.
    Node(usize),
    NotObject,
}

#[derive(Default)]
enum Extra {
    #[default]
    Absent,
    Given(Vec<Child>),
    NotArray,
}

/// Everything but the types that a visitor expects: consumed, and answered with one value.
macro_rules! visit_scalars_as {
    ($value:expr; $($visit:ident: $type:ty),*) => {
        $(fn $visit<E: serde::de::Error>(self, _: $type) -> Result<Self::Value, E> { Ok($value) })*
    };
}

macro_rules! visit_seq_as {
    ($value:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
}

macro_rules! visit_map_as {
    ($value:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
}

struct ChildSeed<'a> {
    arena: &'a mut Vec<Raw>,
}

impl<'de> DeserializeSeed<'de> for ChildSeed<'_> {
    type Value = Child;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Child, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ChildSeed<'_> {
    type Value = Child;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Child, A::Error> {
        let mut raw = Raw::default();
        while let Some(member) = map.next_key::<String>()? {
            let child = ChildSeed { arena: &mut *self.arena };
            match member.as_str() {
                "node_type" => raw.node_type = map.next_value_seed(TextSeed)?,
                "left_node" => raw.left = map.next_value_seed(child)?,
                "right_node" => raw.right = map.next_value_seed(child)?,
                "condition_node" => raw.condition = map.next_value_seed(child)?,
                "extra_nodes" => raw.extra = map.next_value_seed(ExtraSeed { arena: self.arena })?,
                "query" => raw.query = map.next_value_seed(TextSeed)?,
                "params" => raw.params = map.next_value_seed(ParamsSeed)?,
                "result_name" => raw.result_name = map.next_value_seed(TextSeed)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.arena.push(raw);
        Ok(Child::Node(self.arena.len() - 1))
    }

    visit_seq_as!(Child::NotObject);
    visit_scalars_as!(Child::NotObject; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: serde::de::Error>(self) -> Result<Child, E> {
        Ok(Child::Absent)
    }
}

struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Given(text.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Text, E> {
        Ok(Text::Given(text))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Text, E> {
        Ok(Text::Absent)
    }

    visit_seq_as!(Text::Other);
    visit_map_as!(Text::Other);
    visit_scalars_as!(Text::Other; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
}

struct ExtraSeed<'a> {
    arena: &'a mut Vec<Raw>,
}

impl<'de> DeserializeSeed<'de> for ExtraSeed<'_> {
    type Value = Extra;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Extra, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ExtraSeed<'_> {
    type Value = Extra;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of nodes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Extra, A::Error> {
        let mut children = Vec::new();
        while let Some(child) = seq.next_element_seed(ChildSeed { arena: &mut *self.arena })? {
            children.push(child);
        }
        Ok(Extra::Given(children))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Extra, E> {
        Ok(Extra::Absent)
    }

    visit_map_as!(Extra::NotArray);
    visit_scalars_as!(Extra::NotArray; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
}

struct ParamsSeed;

impl<'de> DeserializeSeed<'de> for ParamsSeed {
    type Value = Params;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Params, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ParamsSeed {
    type Value = Params;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Params, A::Error> {
        let is_too_deep = Cell::new(false);
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(ValueSeed { depth: 0, is_too_deep: &is_too_deep })? {
            values.push(value);
        }
        Ok(if is_too_deep.get() { Params::TooDeep } else { Params::Given(values) })
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Params, E> {
        Ok(Params::Absent)
    }

    visit_map_as!(Params::NotArray);
    visit_scalars_as!(Params::NotArray; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
}

/// A bound value. What is nested too deep is consumed and noted, so that the text stays JSON.
struct ValueSeed<'a> {
    depth: usize,
    is_too_deep: &'a Cell<bool>,
}

impl ValueSeed<'_> {
    /// The seed for what is inside; `None` where that would be too deep.
    fn inner(&self) -> Option<ValueSeed<'_>> {
        if self.depth == MAX_PARAM_DEPTH {
            self.is_too_deep.set(true);
            return None;
        }
        Some(ValueSeed { depth: self.depth + 1, is_too_deep: self.is_too_deep })
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            let next = match self.inner() {
                Some(inner) => seq.next_element_seed(inner)?,
                None => seq.next_element::<IgnoredAny>()?.map(|_| Value::Null),
            };
            match next {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = serde_json::Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = match self.inner() {
                Some(inner) => map.next_value_seed(inner)?,
                None => map.next_value::<IgnoredAny>().map(|_| Value::Null)?,
            };
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

/// A node that waits to be built, and where its id then belongs.
struct Pending {
    raw: usize,
    /// The parent's id, the child's number there and its member.
    under: Option<(NodeId, usize, Member)>,
    depth: usize,
}

/// Turns the objects, which are in post-order, into a checked graph in pre-order.
fn build(mut arena: Vec<Raw>, root: usize) -> Result<Graph, GraphError> {
    let mut nodes: Vec<Node> = Vec::with_capacity(arena.len());
    let mut places: Vec<Option<(NodeId, Member)>> = Vec::with_capacity(arena.len());
    let mut pending = vec![Pending { raw: root, under: None, depth: 0 }];
    while let Some(next) = pending.pop() {
        let id = NodeId(nodes.len() as u32);
        places.push(next.under.map(|(parent, _, member)| (parent, member)));
        let fail = |problem| GraphError::at(path_in(&places, id), problem);
        if nodes.len() == MAX_NODES {
            return Err(Problem::TooManyNodes.into());
        }

        let raw = std::mem::take(&mut arena[next.raw]);
        let (node, children) = node_of(raw, next.under.is_none()).map_err(fail)?;
        let is_then = matches!(node.kind, NodeKind::Then(_));
        let depth = match next.under {
            Some((parent, _, _)) => {
                depth_below(next.depth, matches!(nodes[parent.index()].kind, NodeKind::Then(_)), is_then)
            }
            None => 0,
        };
        if depth > MAX_DEPTH {
            return Err(fail(Problem::TooDeep));
        }
        if let Some((parent, nth, _)) = next.under {
            *nodes[parent.index()].kind.child_mut(nth).expect("the kind was made with this child") = id;
        }
        for (nth, raw) in children.into_iter().enumerate().rev() {
            let member = node.kind.member(nth);
            pending.push(Pending { raw, under: Some((id, nth, member)), depth });
        }
        nodes.push(node);
    }
    Ok(Graph::from_preorder(nodes))
}

fn path_in(places: &[Option<(NodeId, Member)>], id: NodeId) -> String {
    let mut members = Vec::new();
    let mut at = id;
    while let Some((parent, member)) = places[at.index()] {
        members.push(member);
        at = parent;
    }
    path_of(members)
}

/// Checks one object and makes its node, with the children's ids still to be set. Returns the children in the
/// order of [`NodeKind::children`].
fn node_of(raw: Raw, is_root: bool) -> Result<(Node, Vec<usize>), Problem> {
    let node_type = match &raw.node_type {
        Text::Given(text) => text.clone(),
        Text::Absent => return Err(malformed(is_root, "", "missing field `node_type`")),
        Text::Other => return Err(malformed(is_root, "", "node_type must be a string")),
    };
    let query = raw.query.optional(is_root, &node_type, "query")?;
    let result_name = raw.result_name.optional(is_root, &node_type, "result_name")?;
    if let Some(name) = &result_name {
        check_result_name(name)?;
    }
    let left = raw.left.optional(Problem::ChildNotObject)?;
    let right = raw.right.optional(Problem::ChildNotObject)?;
    let condition = raw.condition.optional(Problem::ConditionNotObject)?;
    let extra = raw.extra.entries()?;
    let params = raw.params.entries()?;
    let members = Members { left, right, condition, extra, query };
    let (mut kind, children) = members.kind(&node_type)?;
    if !params.is_empty() {
        let node_type = kind.name();
        let NodeKind::Sql(sql) = &mut kind else {
            return Err(Problem::NotAllowed { member: "params", node_type });
        };
        sql.params = params;
        sql.check()?;
    }
    Ok((Node { kind, result_name }, children))
}

fn malformed(is_root: bool, node_type: &str, reason: &str) -> Problem {
    if is_root {
        Problem::Malformed { node_type: node_type.to_owned(), reason: reason.to_owned() }
    } else {
        Problem::Child(reason.to_owned())
    }
}

impl Text {
    fn optional(self, is_root: bool, node_type: &str, member: &str) -> Result<Option<String>, Problem> {
        match self {
            Text::Absent => Ok(None),
            Text::Given(text) => Ok(Some(text)),
            Text::Other => Err(malformed(is_root, node_type, &format!("{member} must be a string"))),
        }
    }
}

impl Child {
    fn optional(self, otherwise: Problem) -> Result<Option<usize>, Problem> {
        match self {
            Child::Absent => Ok(None),
            Child::Node(raw) => Ok(Some(raw)),
            Child::NotObject => Err(otherwise),
        }
    }
}

impl Extra {
    fn entries(self) -> Result<Vec<usize>, Problem> {
        match self {
            Extra::Absent => Ok(Vec::new()),
            Extra::NotArray => Err(Problem::ExtraNotObject),
            Extra::Given(children) => children
                .into_iter()
                .map(|child| child.optional(Problem::ExtraNotObject)?.ok_or(Problem::ExtraNotObject))
                .collect(),
        }
    }
}

impl Params {
    fn entries(self) -> Result<Vec<Value>, Problem> {
        match self {
            Params::Absent => Ok(Vec::new()),
            Params::Given(values) => Ok(values),
            Params::NotArray => Err(Problem::ParamsNotArray),
            Params::TooDeep => Err(Problem::ParamsTooDeep),
        }
    }
}

/// Writes the member `params`, with the comma before it.
pub(crate) fn push_params(out: &mut String, params: &[Value]) {
    out.push_str(r#","params":"#);
    out.push_str(&serde_json::to_string(params).expect("a value is always JSON"));
}

/// The members of one object, each of the right type, not yet checked against the node's type.
struct Members {
    left: Option<usize>,
    right: Option<usize>,
    condition: Option<usize>,
    extra: Vec<usize>,
    query: Option<String>,
}

impl Members {
    fn kind(self, node_type: &str) -> Result<(NodeKind, Vec<usize>), Problem> {
        match node_type {
            "SQL" => self.leaf("SQL", |query| Ok(NodeKind::Sql(Sql::new(query)))),
            "BREAK" => self.leaf("BREAK", |query| Break::from_query(&query).map(NodeKind::Break)),
            "SLEEP" => self.leaf("SLEEP", |query| Sleep::from_query(&query).map(NodeKind::Sleep)),
            "WAIT_SCHEDULE" => self
                .leaf("WAIT_SCHEDULE", |query| WaitSchedule::from_query(&query).map(NodeKind::WaitSchedule)),
            "SIGNAL" => self.leaf("SIGNAL", |query| Signal::from_query(&query).map(NodeKind::Signal)),
            "THEN" => self.then(),
            "IF" => self.branch(),
            "LOOP" => self.repeat(),
            "JOIN" => {
                self.query.as_deref().map_or(Ok(()), Join::check_query)?;
                self.branches("JOIN", |branches| NodeKind::Join(Join { branches }))
            }
            "RACE" => {
                self.query.as_deref().map_or(Ok(()), Race::check_query)?;
                self.branches("RACE", |branches| NodeKind::Race(Race { branches }))
            }
            "HTTP" | "HTTP_MULTIPART" => Err(Problem::Unavailable(node_type.to_owned())),
            _ => Err(Problem::UnknownType(node_type.to_owned())),
        }
    }

    fn leaf(
        self,
        node_type: &'static str,
        kind: impl FnOnce(String) -> Result<NodeKind, Problem>,
    ) -> Result<(NodeKind, Vec<usize>), Problem> {
        self.refuse(node_type, &["left_node", "right_node", "condition_node", "extra_nodes"])?;
        let query = self.query.ok_or(Problem::Required { member: "query", node_type })?;
        Ok((kind(query)?, Vec::new()))
    }

    fn then(self) -> Result<(NodeKind, Vec<usize>), Problem> {
        self.refuse("THEN", &["condition_node", "extra_nodes", "query"])?;
        let (left, right) = self.pair("THEN")?;
        Ok((NodeKind::Then(Then { first: NodeId::ROOT, next: NodeId::ROOT }), vec![left, right]))
    }

    fn branch(self) -> Result<(NodeKind, Vec<usize>), Problem> {
        self.refuse("IF", &["extra_nodes"])?;
        let has_rows = If::has_rows_from_query(self.query.as_deref())?;
        let (then, otherwise) = self.pair("IF")?;
        let with = |condition| NodeKind::If(If { condition, then: NodeId::ROOT, otherwise: NodeId::ROOT });
        match (has_rows, self.condition) {
            (None, Some(condition)) => {
                Ok((with(Condition::Node(NodeId::ROOT)), vec![condition, then, otherwise]))
            }
            (Some(name), None) => Ok((with(Condition::HasRows(name)), vec![then, otherwise])),
            (None, None) => Err(Problem::Required { member: "condition_node", node_type: "IF" }),
            (Some(_), Some(_)) => Err(Problem::Config {
                node_type: "IF",
                reason: "has a condition of its own beside condition_node".to_owned(),
            }),
        }
    }

    fn repeat(self) -> Result<(NodeKind, Vec<usize>), Problem> {
        self.refuse("LOOP", &["right_node", "extra_nodes"])?;
        self.query.as_deref().map_or(Ok(()), Loop::check_query)?;
        let body = self.left.ok_or(Problem::Required { member: "left_node", node_type: "LOOP" })?;
        let kind =
            NodeKind::Loop(Loop { body: NodeId::ROOT, condition: self.condition.map(|_| NodeId::ROOT) });
        Ok((kind, std::iter::once(body).chain(self.condition).collect()))
    }

    fn branches(
        self,
        node_type: &'static str,
        kind: impl FnOnce(Vec<NodeId>) -> NodeKind,
    ) -> Result<(NodeKind, Vec<usize>), Problem> {
        self.refuse(node_type, &["condition_node"])?;
        let (left, right) = self.pair(node_type)?;
        let branches: Vec<usize> = [left, right].into_iter().chain(self.extra).collect();
        Ok((kind(vec![NodeId::ROOT; branches.len()]), branches))
    }

    fn pair(&self, node_type: &'static str) -> Result<(usize, usize), Problem> {
        let left = self.left.ok_or(Problem::Required { member: "left_node", node_type })?;
        let right = self.right.ok_or(Problem::Required { member: "right_node", node_type })?;
        Ok((left, right))
    }

    fn refuse(&self, node_type: &'static str, members: &[&'static str]) -> Result<(), Problem> {
        let given = [
            ("left_node", self.left.is_some()),
            ("right_node", self.right.is_some()),
            ("condition_node", self.condition.is_some()),
            ("extra_nodes", !self.extra.is_empty()),
            ("query", self.query.is_some()),
        ];
        match given.into_iter().find(|(member, is_given)| *is_given && members.contains(member)) {
            Some((member, _)) => Err(Problem::NotAllowed { member, node_type }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fragment::Fragment;

    fn sql(query: &str) -> Graph {
        Graph::leaf(NodeKind::Sql(Sql::new(query)))
    }

    #[test]
    fn builder_operators_and_json_make_the_same_graph() {
        let built = Graph::then(
            Graph::if_else(
                sql("c"),
                Graph::join(vec![sql("1"), sql("2"), sql("3")]).unwrap(),
                Graph::repeat(Graph::leaf(NodeKind::Break(Break { value: None })), Some(sql("w"))),
            )
            .named("x")
            .unwrap(),
            Graph::leaf(NodeKind::Sleep(Sleep { duration: Duration::from_millis(1500) })),
        );
        let spliced = {
            let sql = Fragment::sql;
            Fragment::then(
                &Fragment::branch(
                    &sql("c"),
                    &Fragment::join(&[sql("1"), sql("2"), sql("3")]).unwrap(),
                    &Fragment::repeat(&Fragment::end(None), Some(&sql("w"))),
                )
                .named("x")
                .unwrap(),
                &Fragment::sleep(Duration::from_millis(1500)),
            )
        };
        assert_eq!(built.to_json(), spliced.as_str());
        assert_eq!(Graph::from_json(spliced.as_str()), Ok(built.clone()));
        assert_eq!(serde_json::to_string(&built).unwrap(), spliced.as_str());
        let value = serde_json::to_value(&built).unwrap();
        assert_eq!(Graph::from_value(&value), Ok(built));
    }

    #[test]
    fn values_survive_the_round_trip() {
        let params = vec![
            Value::Null,
            true.into(),
            (-7).into(),
            u64::MAX.into(),
            19.5.into(),
            "it's \"x\" $1".into(),
            serde_json::json!([1, [null], {"b": {}, "a": []}]),
        ];
        let built = Graph::leaf(NodeKind::Sql(Sql::bound("SELECT $7, $1", params.clone()).unwrap()));
        let text = r#"{"node_type":"SQL","query":"SELECT $7, $1","params":[null,true,-7,18446744073709551615,19.5,"it's \"x\" $1",[1,[null],{"b":{},"a":[]}]]}"#;
        assert_eq!(built.to_json(), text);
        assert_eq!(serde_json::to_string(&built).unwrap(), text);
        assert_eq!(Graph::from_json(text).as_ref(), Ok(&built));
        assert_eq!(Graph::from_value(&serde_json::to_value(&built).unwrap()).as_ref(), Ok(&built));
        let fragment = Fragment::bound("SELECT $7, $1", &params).unwrap();
        assert_eq!(fragment.as_str(), text);
        let named = fragment.named("x").unwrap().named("y").unwrap();
        assert_eq!(Graph::from_json(named.as_str()), built.named("y"));
        assert_eq!(Graph::from_json(r#"{"node_type":"SQL","query":"q","params":[]}"#), Ok(sql("q")));
    }

    #[test]
    fn anything_but_a_node_is_sql() {
        for text in ["SELECT 1", "", "[]", "{\"a\":1}", "{\"node_type\":1}", "{\"node_type\":\"SQL\"", "{} x"]
        {
            assert_eq!(Graph::from_json(text), Ok(sql(text)), "{text}");
        }
    }

    #[test]
    fn members_may_be_null_unknown_and_in_any_order() {
        let text = r#" {"query":"q","x":{"y":[1]},"left_node":null,"extra_nodes":[],"node_type":"SQL"} "#;
        assert_eq!(Graph::from_json(text), Ok(sql("q")));
    }

    /// `$` in `text` stands for a good child, `§` for a dollar.
    fn check(text: &str, path: Option<&str>, message: &str) {
        let text = text.replace('$', r#"{"node_type":"SQL","query":"q"}"#).replace('§', "$");
        let error = Graph::from_json(&text).unwrap_err();
        assert_eq!((error.path(), error.to_string().as_str()), (path, message), "{text}");
        assert!(!error.is_limit());
    }

    #[test]
    fn bad_nodes_are_refused_with_their_path() {
        let root = Some("root");
        check(
            r#"{"node_type":"NOT_A_NODE"}"#,
            root,
            "Unknown node_type 'NOT_A_NODE'. Valid types: SQL, THEN, IF, JOIN, LOOP, BREAK, RACE, SLEEP, WAIT_SCHEDULE, HTTP, HTTP_MULTIPART, SIGNAL",
        );
        check(
            r#"{"node_type":"HTTP","query":"{}"}"#,
            root,
            "node type HTTP is not available in this version of pg_durable",
        );
        check(
            r#"{"node_type":"SQL","query":1}"#,
            root,
            "Malformed Durofut JSON with node_type 'SQL': query must be a string",
        );
        check(r#"{"node_type":"SQL"}"#, root, "query is required in SQL nodes");
        check(r#"{"node_type":"SQL","query":"q","params":{}}"#, root, "params must be an array");
        check(
            r#"{"node_type":"THEN","left_node":$,"right_node":{"node_type":"SQL","query":"SELECT §2","params":[1]}}"#,
            Some("root.right"),
            "there is no value for $2: params has 1",
        );
        check(
            r#"{"node_type":"SLEEP","query":"1","params":[1]}"#,
            root,
            "params is not valid for SLEEP nodes",
        );
        check(
            r#"{"node_type":"SQL","query":"q","left_node":$}"#,
            root,
            "left_node is not valid for SQL nodes",
        );
        check(
            r#"{"node_type":"THEN","left_node":$,"right_node":"x"}"#,
            root,
            "Durofut children must be JSON objects",
        );
        check(r#"{"node_type":"THEN","left_node":$}"#, root, "right_node is required in THEN nodes");
        check(
            r#"{"node_type":"THEN","left_node":$,"right_node":$,"condition_node":$}"#,
            root,
            "condition_node is not valid for THEN nodes",
        );
        check(
            r#"{"node_type":"RACE","left_node":$,"right_node":$,"condition_node":$}"#,
            root,
            "condition_node is not valid for RACE nodes",
        );
        check(
            r#"{"node_type":"IF","left_node":$,"right_node":$,"extra_nodes":[$]}"#,
            root,
            "extra_nodes is not valid for IF nodes",
        );
        check(
            r#"{"node_type":"IF","left_node":$,"right_node":$}"#,
            root,
            "condition_node is required in IF nodes",
        );
        check(
            r#"{"node_type":"IF","left_node":$,"right_node":$,"condition_node":[1]}"#,
            root,
            "condition_node must be a Durofut JSON object",
        );
        check(
            r#"{"node_type":"IF","left_node":$,"right_node":$,"query":"{\"condition_node\":{}}"}"#,
            root,
            "condition_node in IF must be a first-class Durofut field, not embedded in query",
        );
        check(
            r#"{"node_type":"LOOP","left_node":$,"query":"{\"condition_node\":{}}"}"#,
            root,
            "condition_node in LOOP must be a first-class Durofut field, not embedded in query",
        );
        check(
            r#"{"node_type":"JOIN","left_node":$,"right_node":$,"query":"{\"extra_nodes\":[]}"}"#,
            root,
            "extra_nodes in JOIN must be a first-class Durofut field, not embedded in query",
        );
        check(
            r#"{"node_type":"JOIN","left_node":$,"right_node":$,"extra_nodes":["x"]}"#,
            root,
            "extra_nodes entries must be Durofut JSON objects",
        );
        check(
            r#"{"node_type":"SQL","query":"q","result_name":"a b"}"#,
            root,
            "df.as: result name 'a b' is not a valid identifier — must match [a-zA-Z_][a-zA-Z0-9_]*",
        );
        check(
            r#"{"node_type":"JOIN","left_node":$,"right_node":$,"extra_nodes":[$,{"node_type":"LOOP","left_node":{"node_type":"SLEEP","query":"-1"}}]}"#,
            Some("root.extra_nodes[1].left"),
            "Sleep duration must be non-negative",
        );
        check(
            r#"{"node_type":"LOOP","left_node":$,"condition_node":{"query":"x"}}"#,
            Some("root.condition_node"),
            "failed to deserialize Durofut child: missing field `node_type`",
        );
    }

    #[test]
    fn long_graphs_need_no_deep_stack() {
        // Half a megabyte would not do for recursion over 5,000 levels.
        let checks = || {
            let graph = Graph::sequence((0..5_000).map(|_| sql("SELECT 1")).collect()).unwrap();
            let json = graph.to_json();
            assert_eq!(Graph::from_json(&json).as_ref(), Ok(&graph));
            assert_eq!(serde_json::to_string(&graph).unwrap(), json);

            let right_deep = (1..5_000).fold(sql("SELECT 1"), |next, _| Graph::then(sql("SELECT 1"), next));
            assert_eq!(Graph::from_json(&right_deep.to_json()), Ok(right_deep));
        };
        std::thread::Builder::new().stack_size(512 * 1024).spawn(checks).unwrap().join().unwrap();
    }

    #[test]
    fn absurd_texts_are_refused_and_not_crashed_on() {
        let nest = |open: &str, n: usize| open.repeat(n);
        let loops = move |n: usize| {
            format!(
                "{}{}{}",
                nest(r#"{"node_type":"LOOP","left_node":"#, n),
                r#"{"node_type":"SQL","query":"q"}"#,
                nest("}", n)
            )
        };
        let params = |n: usize| {
            format!(r#"{{"node_type":"SQL","query":"q","params":[{}{}]}}"#, "[".repeat(n), "]".repeat(n))
        };
        let checks = move || {
            for (text, is_limit) in [
                (loops(256), false),
                (loops(257), true),
                (loops(9_000), true),
                (loops(1_000_000), true),
                (nest(r#"{"left_node":"#, 1_000_000), true),
                (
                    format!(
                        "{{\"node_type\":\"SQL\",\"query\":\"q\",\"x\":{}{}}}",
                        nest("[", 20_000),
                        nest("]", 20_000)
                    ),
                    false,
                ),
                (format!("{{{}", nest("[", 15_000)), false),
                (params(100), false),
                (params(101), true),
                (params(15_000), true),
            ] {
                let read = Graph::from_json(&text);
                assert_eq!(read.as_ref().is_err_and(GraphError::is_limit), is_limit, "{:?}", read.err());
            }
        };
        std::thread::Builder::new().stack_size(512 * 1024).spawn(checks).unwrap().join().unwrap();
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        for (text, expected) in
            [("{}", 1), ("[[{}]]", 3), (r#"{"a":"[[[\"[[["}"#, 1), ("]]{", 1), ("{}{}", 1)]
        {
            assert_eq!(brackets(text), expected, "{text}");
        }
    }
}
