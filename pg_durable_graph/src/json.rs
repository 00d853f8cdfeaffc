//! The wire form: nested JSON objects with a `node_type`, as `df.start` takes them and the builders make them.
//!
//! Texts come from users and may be nested without end. Nothing here recurses over a graph: the text is read piece by piece,
//! absurd depths are refused beforehand, and what is read goes straight into an arena, so that dropping it is flat, too.

mod raw;
mod read;
mod write;

pub(crate) use raw::NUMBER;
pub use read::brackets;
pub(crate) use read::{Wire, read};
pub(crate) use write::{Children, push_params};

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::brackets;
    use crate::error::GraphError;
    use crate::fragment::Fragment;
    use crate::graph::Graph;
    use crate::kind::{Break, Sleep, Sql};

    fn sql(query: &str) -> Graph {
        Graph::leaf(Sql::new(query))
    }

    #[test]
    fn builder_operators_and_json_make_the_same_graph() {
        let built = Graph::then(
            Graph::if_else(
                sql("c"),
                Graph::join(vec![sql("1"), sql("2"), sql("3")]).unwrap(),
                Graph::repeat(Graph::leaf(Break { value: None }), Some(sql("w"))),
            )
            .named("x")
            .unwrap(),
            Graph::leaf(Sleep::new(Duration::from_millis(1500))),
        );
        let spliced = {
            let sql = Fragment::sql;
            Fragment::then(
                &Fragment::if_else(
                    &sql("c"),
                    &Fragment::join(&[sql("1"), sql("2"), sql("3")]).unwrap(),
                    &Fragment::repeat(&Fragment::leaf(Break { value: None }), Some(&sql("w"))),
                )
                .named("x")
                .unwrap(),
                &Fragment::leaf(Sleep::new(Duration::from_millis(1500))),
            )
        };
        assert_eq!(built.to_json(), spliced.as_str());
        assert_eq!(Graph::from_json(spliced.as_str()), Ok(built.clone()));
        assert_eq!(serde_json::to_string(&built).unwrap(), spliced.as_str());
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
        let built = Graph::leaf(Sql::bound("SELECT $7, $1", params.clone()).unwrap());
        let text = r#"{"node_type":"SQL","query":"SELECT $7, $1","params":[null,true,-7,18446744073709551615,19.5,"it's \"x\" $1",[1,[null],{"b":{},"a":[]}]]}"#;
        assert_eq!(built.to_json(), text);
        assert_eq!(serde_json::to_string(&built).unwrap(), text);
        assert_eq!(Graph::from_json(text).as_ref(), Ok(&built));
        let fragment = Fragment::leaf(Sql::bound("SELECT $7, $1", params).unwrap());
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

    #[expect(clippy::too_many_lines, reason = "a list of cases")]
    #[test]
    fn bad_nodes_are_refused_with_their_path() {
        let root = Some("root");
        check(
            r#"{"node_type":"NOT_A_NODE"}"#,
            root,
            "Unknown node_type 'NOT_A_NODE'. Valid types: SQL, THEN, IF, JOIN, LOOP, BREAK, RACE, SLEEP, WAIT_SCHEDULE, HTTP, HTTP_MULTIPART, SIGNAL, FAIL, RETRY, CATCH, TIMEOUT",
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
            let refused = serde_json::to_string(&graph).unwrap_err().to_string();
            assert!(refused.contains("write the graph with to_json()"), "{refused}");
            let graph = Graph::sequence((0..500).map(|_| sql("SELECT 1")).collect()).unwrap();
            assert_eq!(
                serde_json::to_string(&serde_json::to_value(&graph).unwrap()).unwrap(),
                graph.to_json()
            );

            let right_deep = (1..5_000).fold(sql("SELECT 1"), |next, _| Graph::then(sql("SELECT 1"), next));
            assert_eq!(Graph::from_json(&right_deep.to_json()), Ok(right_deep));
        };
        std::thread::Builder::new().stack_size(1024 * 1024).spawn(checks).unwrap().join().unwrap();
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
