//! The codes of errors.

/// Whether a failure can have this code: five digits and capital letters, of no class of a success or warning.
pub fn is_of_failure(code: &str) -> bool {
    let is_code =
        code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    is_code && !["00", "01", "02"].iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::is_of_failure;

    #[test]
    fn codes_of_failures_are_told() {
        for (code, expected) in [
            ("P0001", true),
            ("PAY01", true),
            ("40001", true),
            ("pay01", false),
            ("4000", false),
            ("01000", false),
            ("", false),
        ] {
            assert_eq!(is_of_failure(code), expected, "{code}");
        }
    }
}
