//! JSON objects as they are read, whatever they hold.

use serde_json::Value;

use crate::document::{self, Unreadable};
use crate::limits::PARAMS_BRACKETS_MAX;
use crate::pieces::{NotJson, Piece, Pieces};

use super::brackets;

/// An object as it was read: any member may still be anything.
#[derive(Default)]
pub(super) struct Raw {
    pub node_type: Text,
    pub left: Child,
    pub right: Child,
    pub condition: Child,
    pub extra: Extra,
    pub query: Text,
    pub params: Params,
    pub result_name: Text,
}

#[derive(Default)]
pub(super) enum Params {
    #[default]
    Absent,
    Given(Vec<Value>),
    NotArray,
    TooDeep,
    Unreadable(Unreadable),
}

#[derive(Default)]
pub(super) enum Text {
    #[default]
    Absent,
    Given(String),
    Other,
}

#[derive(Default, Clone, Copy)]
pub(super) enum Child {
    #[default]
    Absent,
    /// An index into the arena.
    Node(usize),
    NotObject,
}

#[derive(Default)]
pub(super) enum Extra {
    #[default]
    Absent,
    Given(Vec<Child>),
    NotArray,
}

/// The member under which the parser gives a number that it keeps as text, if it was built to do so.
pub(crate) const NUMBER: &str = "$serde_json::private::Number";

/// An object that is not over.
struct Open {
    raw: Raw,
    /// Where it belongs in the one around it.
    place: Place,
    /// Whether the items of `extra_nodes` are being read.
    is_in_extra: bool,
}

#[derive(Clone, Copy)]
enum Place {
    Left,
    Right,
    Condition,
    Extra,
}

/// The object that the text is and those in it, each before the one around it; none where the text is something else.
pub(super) fn read(text: &str) -> Result<Vec<Raw>, NotJson> {
    let mut pieces = Pieces::new(text);
    let mut arena = Vec::new();
    if pieces.read()? != Some(Piece::Object) {
        return Ok(arena);
    }
    // The outermost has no place.
    let mut open = vec![Open::at(Place::Left)];
    while let Some(object) = open.last_mut() {
        let entered = match pieces.read()? {
            Some(Piece::Name(name)) => object.member(&name, &mut pieces)?,
            Some(Piece::End) if object.is_in_extra => {
                object.is_in_extra = false;
                None
            }
            Some(Piece::End) => {
                let Some(Open { raw, place, .. }) = open.pop() else { continue };
                arena.push(raw);
                if let Some(around) = open.last_mut() {
                    around.put(place, Child::Node(arena.len() - 1));
                }
                None
            }
            Some(item) => object.child(Place::Extra, item, &mut pieces)?,
            None => None,
        };
        open.extend(entered.map(Open::at));
    }
    // Whether that was all.
    pieces.read()?;
    Ok(arena)
}

impl Open {
    fn at(place: Place) -> Open {
        Open { raw: Raw::default(), place, is_in_extra: false }
    }

    /// Reads a member; says where an object that has begun belongs.
    fn member(&mut self, name: &str, pieces: &mut Pieces) -> Result<Option<Place>, NotJson> {
        let place = match name {
            "left_node" => Place::Left,
            "right_node" => Place::Right,
            "condition_node" => Place::Condition,
            "extra_nodes" => {
                self.raw.extra = self.extra(pieces)?;
                return Ok(None);
            }
            _ => {
                let value = pieces.value_text()?;
                match name {
                    "node_type" => self.raw.node_type = Text::of(value)?,
                    "query" => self.raw.query = Text::of(value)?,
                    "params" => self.raw.params = Params::of(value),
                    "result_name" => self.raw.result_name = Text::of(value)?,
                    _ => {}
                }
                return Ok(None);
            }
        };
        match pieces.read()? {
            Some(piece) => self.child(place, piece, pieces),
            None => Ok(None),
        }
    }

    /// What begins in the place of a node.
    fn child(&mut self, place: Place, piece: Piece, pieces: &mut Pieces) -> Result<Option<Place>, NotJson> {
        match piece {
            Piece::Object => return Ok(Some(place)),
            Piece::Null => self.put(place, Child::Absent),
            Piece::Array => {
                pieces.leave()?;
                self.put(place, Child::NotObject);
            }
            Piece::Bool(_) | Piece::Number(_) | Piece::Text(_) | Piece::Name(_) | Piece::End => {
                self.put(place, Child::NotObject);
            }
        }
        Ok(None)
    }

    fn extra(&mut self, pieces: &mut Pieces) -> Result<Extra, NotJson> {
        match pieces.read()? {
            Some(Piece::Array) => {
                self.is_in_extra = true;
                Ok(Extra::Given(Vec::new()))
            }
            Some(Piece::Null) => Ok(Extra::Absent),
            Some(Piece::Object) => pieces.leave().map(|()| Extra::NotArray),
            _ => Ok(Extra::NotArray),
        }
    }

    fn put(&mut self, place: Place, child: Child) {
        match place {
            Place::Left => self.raw.left = child,
            Place::Right => self.raw.right = child,
            Place::Condition => self.raw.condition = child,
            Place::Extra => {
                if let Extra::Given(children) = &mut self.raw.extra {
                    children.push(child);
                }
            }
        }
    }
}

impl Text {
    fn of(value: &str) -> Result<Text, NotJson> {
        match value {
            "null" => Ok(Text::Absent),
            _ if value.starts_with('"') => {
                serde_json::from_str(value).map(Text::Given).map_err(|error| NotJson { at: error.column() })
            }
            _ => Ok(Text::Other),
        }
    }
}

impl Params {
    fn of(value: &str) -> Params {
        if value == "null" {
            return Params::Absent;
        }
        if !value.starts_with('[') {
            return Params::NotArray;
        }
        if brackets(value) > PARAMS_BRACKETS_MAX {
            return Params::TooDeep;
        }
        match document::read(value) {
            Ok(Value::Array(values)) => Params::Given(values),
            Ok(_) => Params::NotArray,
            Err(unreadable) => Params::Unreadable(unreadable),
        }
    }
}
