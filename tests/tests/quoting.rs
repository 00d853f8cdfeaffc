//! No value leaves its literal, wherever its reference stands: seen by a real server.

use pg_durable_tests::server::{literal, shared, tester};
use pg_durable_tests::session::Session;

/// The same values each time: what matters is what they are made of.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

const PARTS: [&str; 22] = [
    "'",
    "''",
    "\\",
    "\\\\",
    "$",
    "$$",
    "$b$",
    "$e$",
    "\"",
    "\n",
    "\r",
    "--",
    "/*",
    "*/",
    ";",
    "ö",
    "日本",
    "🦀",
    "E'",
    "a1",
    "!",
    "; DELETE FROM victims; --",
];

fn values() -> Vec<String> {
    let mut random = Random(20_251_127);
    let single = PARTS.iter().map(|part| (*part).to_owned());
    let mixed = (0..60).map(|_| (0..1 + random.below(7)).map(|_| PARTS[random.below(PARTS.len())]).collect());
    single.chain(mixed).collect()
}

/// Every place in which a value may stand, each giving it back.
const STEP: &str = r"
CREATE TEMP TABLE got (place text, v text);
INSERT INTO got VALUES
    ('code', $input.v), ('literal', '<$input.v>'), ('escapes', E'<\\$input.v>'), ('unicode', U&'<$input.v>'),
    ('other escape', U&'<$input.v>' UESCAPE '!'), ('continued', 'a' -- it''s
    '<$input.v>'), ('national', N'<$input.v>'), ('dollars', $d$ $input.v $d$);
DO $b$
DECLARE
    -- $input.v /* $input.v
    w text := $input.v;
BEGIN
    INSERT INTO got VALUES ('body', w), ('literal in a body', '<$input.v>'), ('escapes in a body', E'<\\$input.v>'),
        ('beside a quote', 'it''s \ $input.v');
    EXECUTE $e$ INSERT INTO got VALUES ('code in code', $input.v), ('literal in code in code', '<$input.v>') $e$;
END
$b$;
CREATE FUNCTION pg_temp.gives() RETURNS text LANGUAGE sql AS $b$ SELECT '<$input.v>' /* $input.v */ $b$;
INSERT INTO got VALUES ('function', pg_temp.gives());
SET standard_conforming_strings = off;
INSERT INTO got VALUES ('not by the standard', '<$input.v>');
SELECT jsonb_object_agg(place, v) AS got, count(*) AS n FROM got";

#[test]
fn no_value_leaves_its_literal() {
    tester(shared(), "quoting");
    let session = Session::open(shared(), "quoting", "postgres").expect("the role gets in");
    session.run("CREATE TABLE victims AS SELECT 1 AS i");
    for value in values() {
        let input = serde_json::json!({ "v": value }).to_string();
        let outcome = session.flow(&format!("{}, input => {}", literal(STEP), literal(&input)));
        let result: serde_json::Value =
            serde_json::from_str(&outcome).unwrap_or_else(|_| panic!("{value:?}\n{outcome}"));
        let got = &result["rows"][0]["got"];
        let bracketed = format!("<{value}>");
        // A dollar-quoted text that is no body holds a literal.
        for (place, expected) in [
            ("code", value.clone()),
            ("literal", bracketed.clone()),
            ("escapes", format!("<\\{value}>")),
            ("unicode", bracketed.clone()),
            ("other escape", bracketed.clone()),
            ("continued", format!("a{bracketed}")),
            ("national", bracketed.clone()),
            ("body", value.clone()),
            ("literal in a body", bracketed.clone()),
            ("escapes in a body", format!("<\\{value}>")),
            ("beside a quote", format!("it's \\ {value}")),
            ("code in code", value.clone()),
            ("literal in code in code", bracketed.clone()),
            ("function", bracketed.clone()),
            ("not by the standard", bracketed.clone()),
        ] {
            assert_eq!(got[place], expected, "{place}");
        }
        assert_eq!(result["rows"][0]["n"], 16, "{value:?}");
    }
    assert_eq!(session.value("SELECT count(*) FROM victims"), "1");
}

#[test]
fn a_body_whose_quotes_we_do_not_know_takes_no_value() {
    tester(shared(), "quoting_refused");
    let session = Session::open(shared(), "quoting_refused", "postgres").expect("the role gets in");
    for step in [
        "DO '$input.v'",
        "DO LANGUAGE plpgsql E'BEGIN PERFORM ''$input.v''; END'",
        "DO U&'BEGIN PERFORM ''$input.v''; END'",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ''$input.v'''",
        "CREATE OR REPLACE PROCEDURE p() AS 'BEGIN NULL; -- $input.v\nEND' LANGUAGE plpgsql",
        "DO $b$ U&'$input.v' $b$",
        "DO $b$ x = '$input.v' $b$ LANGUAGE plpython3u",
    ] {
        let outcome = session.flow(&format!("{}, input => '{{\"v\": \"x\"}}'", literal(step)));
        assert!(outcome.starts_with("failed 22023"), "{step}\n{outcome}");
        assert!(outcome.contains("DO $body$"), "{step}\n{outcome}");
    }
}
