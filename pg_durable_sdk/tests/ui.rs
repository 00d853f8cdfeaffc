//! What the macros say to what they cannot take. `TRYBUILD=overwrite` writes the messages anew.

#[test]
fn mistakes_are_told_on_their_tokens() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
