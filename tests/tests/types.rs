//! Values of each type of the server: they come back as what they were, wherever a step reads them.

use pg_durable_tests::server::{administer, literal, shared, tester};
use pg_durable_tests::session::Session;

/// A type, and the text of a value of it.
type Sample = (&'static str, &'static str);

const SAMPLES: &[Sample] = &[
    ("smallint", "-7"),
    ("integer", "7"),
    ("bigint", "9223372036854775807"),
    ("numeric", "-0.00100"),
    ("real", "1.1"),
    ("double precision", "2.2250738585072014e-308"),
    ("boolean", "true"),
    ("text", r#"a "b" {c}, \d"#),
    ("character varying", "x"),
    ("character", "z"),
    ("name", "n"),
    (r#""char""#, "c"),
    ("bytea", r"\x00ff10"),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("date", "2026-02-03"),
    ("time without time zone", "04:05:06.7"),
    ("time with time zone", "04:05:06+01"),
    ("timestamp without time zone", "2026-02-03 04:05:06.789"),
    ("timestamp with time zone", "2026-02-03 04:05:06+02"),
    ("interval", "1 mon -2 days 03:04:05.6"),
    ("json", r#"{"b": 1.10, "a": [null]}"#),
    ("jsonb", r#"{"b": 1.10, "a": [null]}"#),
    ("jsonpath", r#"$."a"[*]"#),
    ("xml", "<a>b</a>"),
    ("bit", "1"),
    ("bit varying", "101"),
    ("inet", "10.1.2.3/8"),
    ("cidr", "10.0.0.0/8"),
    ("macaddr", "08:00:2b:01:02:03"),
    ("macaddr8", "08:00:2b:01:02:03:04:05"),
    ("point", "(1,2.5)"),
    ("line", "{1,2,3}"),
    ("lseg", "[(1,2),(3,4)]"),
    ("box", "(3,4),(1,2)"),
    ("path", "((1,2),(3,4))"),
    ("polygon", "((1,2),(3,4),(5,6))"),
    ("circle", "<(1,2),3>"),
    ("money", "12.34"),
    ("oid", "26"),
    ("xid", "26"),
    ("xid8", "26"),
    ("cid", "26"),
    ("tid", "(1,2)"),
    ("pg_lsn", "16/B374D848"),
    ("pg_snapshot", "10:20:10,14"),
    ("tsvector", "'a':1 'b':2"),
    ("tsquery", "'a' & 'b'"),
    ("regclass", "pg_class"),
    ("regtype", "integer"),
    ("regrole", "postgres"),
    ("int4range", "[1,5)"),
    ("int8range", "(,5)"),
    ("numrange", "[1.10,2.20]"),
    ("tsrange", r#"["2026-02-03 04:05:06",infinity)"#),
    ("tstzrange", r#"["2026-02-03 04:05:06+00",)"#),
    ("daterange", "empty"),
    ("int4multirange", "{[1,3),[7,9)}"),
    ("integer[]", "{1,NULL,3}"),
    ("text[]", r#"{"a b",NULL,"c\"d","{e}"}"#),
    ("numeric[]", "{{1.10,2},{3,4}}"),
    ("bytea[]", r#"{"\\x00ff"}"#),
    ("double precision[]", "{NaN,-Infinity,1.5}"),
    ("jsonb[]", r#"{"{\"a\": 1.10}"}"#),
    ("point[]", r#"{"(1,2)"}"#),
    ("mood", "très heureux"),
    ("positive", "5"),
    ("pair", r#"(1,"x, y")"#),
    ("nested", r#"("(,y)",{1})"#),
    ("pair[]", r#"{"(1,\"a,b\")"}"#),
];

/// Made in the role's own schema.
const OWN_TYPES: &str = "
    SET search_path = types, public;
    CREATE TYPE mood AS ENUM ('sad', 'très heureux');
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE TYPE pair AS (a integer, b text);
    CREATE TYPE nested AS (p pair, q integer[]);
    GRANT USAGE ON TYPE mood, positive, pair, nested TO public";

/// Opens the role's session, and gives the samples that this server knows: `xml` is an option of its build.
fn ready() -> (Session, Vec<Sample>) {
    static TYPES: std::sync::Once = std::sync::Once::new();
    TYPES.call_once(|| {
        tester(shared(), "types");
        administer(shared(), OWN_TYPES);
    });
    let session = Session::open(shared(), "types", "postgres").expect("the role gets in");
    let has_xml = match session.try_value("SELECT '<a/>'::xml") {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.sqlstate, "0A000", "{error}");
            eprintln!("no xml: the server was built without libxml");
            false
        }
    };
    (session, SAMPLES.iter().copied().filter(|(name, _)| has_xml || *name != "xml").collect())
}

fn cast((name, text): Sample) -> String {
    format!("CAST({} AS {name})", literal(text))
}

/// `json` is kept as `jsonb` is: equal, and not the same text.
fn is_same(found: &str, sample: Sample) -> String {
    let kind = if sample.0 == "json" { "jsonb" } else { "text" };
    format!("({found})::{kind} = {}::{kind}", cast(sample))
}

/// A query that names the types for which `check` does not hold, and counts all.
fn wrong(samples: &[Sample], source: &str, check: impl Fn(usize, Sample) -> String) -> String {
    let rows: Vec<_> = samples
        .iter()
        .enumerate()
        .map(|(at, sample)| format!("({}, {})", literal(sample.0), check(at, *sample)))
        .collect();
    format!(
        "SELECT count(*) AS n, array_agg(t) FILTER (WHERE ok IS NOT TRUE) AS wrong FROM {source}(VALUES {}) AS x(t, ok)",
        rows.join(", ")
    )
}

/// A step that gives one column for each sample: `c0`, `c1` and so on.
fn first(samples: &[Sample]) -> String {
    let columns: Vec<_> =
        samples.iter().enumerate().map(|(at, sample)| format!("{} AS c{at}", cast(*sample))).collect();
    literal(&format!("SELECT {}", columns.join(", ")))
}

#[track_caller]
fn none_is_wrong(session: &Session, graph: &str, count: usize) {
    let expected = format!(r#"{{"rows": [{{"n": {count}, "wrong": null}}], "row_count": 1}}"#);
    assert_eq!(session.flow(graph), expected);
}

#[test]
fn a_reference_has_the_value_and_its_type() {
    let (session, samples) = ready();
    let check = wrong(&samples, "", |at, sample| {
        // A domain is a rule for what is stored; a column of a result has its base type.
        let name = if sample.0 == "positive" { "integer" } else { sample.0 };
        let reference = format!("$v.c{at}");
        format!("pg_typeof({reference}) = {}::regtype AND {}", literal(name), is_same(&reference, sample))
    });
    let graph = format!("{} |=> 'v' ~> {}", first(&samples), literal(&check));
    none_is_wrong(&session, &graph, samples.len());
}

#[test]
fn a_row_source_has_the_values() {
    let (session, samples) = ready();
    let check = wrong(&samples, "$v.*, LATERAL ", |at, sample| is_same(&format!("c{at}"), sample));
    let graph = format!("{} |=> 'v' ~> {}", first(&samples), literal(&check));
    none_is_wrong(&session, &graph, samples.len());
}

#[test]
fn a_parameter_is_read_from_its_text() {
    let (session, mut samples) = ready();
    // Those take a JSON value as it is, not its text.
    samples.retain(|(name, _)| !matches!(*name, "json" | "jsonb"));
    let check = wrong(&samples, "", |at, sample| {
        format!("CAST(${} AS {})::text = {}::text", at + 1, sample.0, cast(sample))
    });
    let texts: Vec<_> = samples.iter().map(|(_, text)| *text).collect();
    let parameters = serde_json::to_string(&texts).expect("texts are JSON");
    let graph = format!("df.sql({}, {})", literal(&check), literal(&parameters));
    none_is_wrong(&session, &graph, samples.len());
}
