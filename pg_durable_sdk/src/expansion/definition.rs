//! What the arguments of a workflow have to be, where only the compiler knows them.

/// The name of a workflow, if it is one.
pub const fn name(name: &'static str) -> &'static str {
    assert!(!name.is_empty(), "the name is empty: write one such as \"order.fulfil\"");
    assert!(
        !is_like_an_id(name.as_bytes()),
        "this name looks like the id of an instance: add a letter beyond `f`, or a dot"
    );
    name
}

const fn is_like_an_id(name: &[u8]) -> bool {
    let mut at = 0;
    while at < name.len() {
        if !name[at].is_ascii_hexdigit() {
            return false;
        }
        at += 1;
    }
    8 <= name.len() && name.len() <= 16
}
