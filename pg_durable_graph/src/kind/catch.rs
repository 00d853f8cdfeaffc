//! CATCH: what is carried out where a body has failed.

use std::borrow::Cow;

pub use pg_durable_syntax::name::CAUGHT;

use super::inner::{Held, Inner, Slot, Slots, slots};
use super::members::{Member, Members};
use crate::config;
use crate::error::Problem;
use crate::matching::{self, Matching};
use crate::name::is_name;
use crate::node_id::NodeId;
use crate::template::INPUT;

/// The name of the error where none is given.
pub const ERROR: &str = "error";

/// Carries out `body` and, where that fails with one of `errors`, `handler`; its result is that of the one that completed.
#[derive(Debug, Clone, PartialEq)]
pub struct Catch {
    /// Carried out first.
    pub body: NodeId,
    /// Carried out behind a failure of the body.
    pub handler: NodeId,
    /// What is taken.
    pub errors: Vec<Matching>,
    /// The name by which the handler sees the failure.
    pub name: String,
}

impl Catch {
    /// What is wrong with what it takes and the name of the error.
    pub fn check(&self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            let reason = "must name at least one kind of failure";
            return Err(Problem::Policy { member: "errors", reason });
        }
        if self.name == INPUT {
            return Err(Problem::Policy { member: "name", reason: "must not be that of the input" });
        }
        if !is_name(&self.name) {
            let reason = "must be an identifier: letters, digits and underscores, with a letter first";
            return Err(Problem::Policy { member: "name", reason });
        }
        Ok(())
    }

    pub(crate) fn takes(&self, sqlstate: &str) -> bool {
        matching::takes(&self.errors, &[], sqlstate)
    }
}

slots!(Catch {
    body: Slot::Titled(Member::Left, "body:"),
    handler: Slot::Titled(Member::Right, "on failure:"),
});

impl Inner for Catch {
    fn read(members: Members) -> Result<Catch, Problem> {
        members.refuse("CATCH", &["condition_node", "extra_nodes"])?;
        let (body, handler) = members.pair("CATCH")?;
        let (errors, name) = members.query.as_deref().map_or(Ok((None, None)), read)?;
        let errors = errors.unwrap_or_else(|| vec![Matching::All]);
        let catch = Catch { body, handler, errors, name: name.unwrap_or_else(|| ERROR.to_owned()) };
        catch.check()?;
        Ok(catch)
    }

    fn query(&self) -> Option<String> {
        let mut config = config::Writer::default();
        if self.errors != [Matching::All] {
            config.push_texts("errors", &self.errors);
        }
        if self.name != ERROR {
            config.push_text("name", &self.name);
        }
        config.finish()
    }

    fn label(&self) -> Cow<'static, str> {
        let errors: Vec<String> = self.errors.iter().map(Matching::to_string).collect();
        match errors.as_slice() {
            [all] if all == "all" => "CATCH".into(),
            some => format!("CATCH ({})", some.join(", ")).into(),
        }
    }

    fn is_scope(&self) -> bool {
        true
    }
}

/// What a `query` says of errors and their name.
type Said = (Option<Vec<Matching>>, Option<String>);

fn read(query: &str) -> Result<Said, Problem> {
    let mut object = config::object("CATCH", query)?;
    let errors = config::matching("CATCH", &mut object, "errors")?;
    let name = config::optional_text("CATCH", &object, "name")?;
    object.remove("name");
    config::refuse_members("CATCH", "right_node", &object)?;
    Ok((errors, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catch(query: Option<&str>) -> Result<Catch, Problem> {
        Catch::read(Members {
            left: Some(NodeId(1)),
            right: Some(NodeId(2)),
            condition: None,
            extra: Vec::new(),
            query: query.map(str::to_owned),
        })
    }

    #[test]
    fn catches_survive_the_round_trip() {
        for (query, written, label) in [
            (None, None, "CATCH"),
            (Some("{}"), None, "CATCH"),
            (Some(r#"{"errors":["all"],"name":"error"}"#), None, "CATCH"),
            (
                Some(r#"{"errors":["23505","40*"],"name":"e"}"#),
                Some(r#"{"errors":["23505","40*"],"name":"e"}"#),
                "CATCH (23505, 40*)",
            ),
        ] {
            let catch = catch(query).unwrap();
            assert_eq!((catch.query().as_deref(), &*catch.label()), (written, label), "{query:?}");
        }
    }

    #[test]
    fn bad_catches_are_refused() {
        for (query, message) in [
            (r#"{"errors":[]}"#, "errors must name at least one kind of failure"),
            (r#"{"errors":"all"}"#, "query in CATCH needs an array of strings in errors"),
            (r#"{"errors":["x"]}"#, "errors has 'x', which stands for no failures"),
            (r#"{"name":"input"}"#, "name must not be that of the input"),
            (
                r#"{"name":"an error"}"#,
                "name must be an identifier: letters, digits and underscores, with a letter first",
            ),
            (r#"{"name":1}"#, "query in CATCH has a name that is not a string"),
            (r#"{"as":"e"}"#, "query in CATCH has the unknown member 'as'"),
        ] {
            assert_eq!(catch(Some(query)).unwrap_err().to_string(), message);
        }
    }
}
