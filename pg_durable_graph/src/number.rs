//! Numbers of JSON documents, by their digits: they may have more of them than any binary form holds.

use serde_json::Number;

/// Whether a number is zero, however it is written.
pub fn is_zero(number: &Number) -> bool {
    significant(&number.to_string()).0.is_empty()
}

/// Whether a `double precision` keeps every digit of a number.
pub fn fits_float(number: &Number) -> bool {
    let float = number.as_f64().filter(|float| float.is_finite());
    float.is_some_and(|float| significant(&number.to_string()) == significant(&float.to_string()))
}

/// Whether a number is written without fraction and exponent.
pub fn is_whole(number: &Number) -> bool {
    !number.to_string().contains(['.', 'e', 'E'])
}

/// The number of JSON that is written so, if one keeps every digit: any does where the whole program keeps numbers as text, else
/// integers of 64 bits and what a `double precision` holds.
pub fn exact(text: &str) -> Option<Number> {
    let float = || text.parse::<f64>().ok().and_then(Number::from_f64);
    let integer = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
    let kept = |number: &Number| significant(&number.to_string()) == significant(text);
    integer.ok().or_else(|| float().filter(kept)).or_else(|| text.parse().ok().filter(kept))
}

/// The digits from the first to the last that is not 0, and the power of ten of the last; no digits for zero.
fn significant(text: &str) -> (String, i64) {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let trimmed = digits.trim_end_matches('0');
    let zeros = (digits.len() - trimmed.len()) as i64;
    // An exponent of more digits is out of every type's range.
    let power = exponent.parse::<i64>().unwrap_or(i64::MAX / 2) - fraction.len() as i64 + zeros;
    let trimmed = trimmed.trim_start_matches('0');
    (trimmed.to_owned(), if trimmed.is_empty() { 0 } else { power })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_the_same_however_a_number_is_written() {
        for (one, other, expected) in [
            ("1.10", "1.1", true),
            ("100", "1e2", true),
            ("0.0015", "15E-4", true),
            ("-7", "7", true),
            ("0", "-0.00e5", true),
            ("1.1", "1.11", false),
            ("10", "1", false),
            ("12345678901234567890.123", "12345678901234567000", false),
        ] {
            assert_eq!(significant(one) == significant(other), expected, "{one} {other}");
        }
    }

    #[test]
    fn a_number_is_exact_or_none() {
        for (text, expected) in [
            ("7", Some("7")),
            ("-9223372036854775808", Some("-9223372036854775808")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("19.5", Some("19.5")),
            ("0.1", Some("0.1")),
            ("7.038531e-26", Some("7.038531e-26")),
            ("1e3", Some("1000.0")),
        ] {
            assert_eq!(exact(text).map(|number| number.to_string()).as_deref(), expected, "{text}");
        }
        for text in ["18446744073709551616", "1234567890123.456789", "1e+400", "0.1000000000000000000001"] {
            // Where the program keeps numbers as text, that is what it is.
            assert!(exact(text).is_none_or(|number| number.to_string() == text), "{text}");
        }
    }

    #[test]
    fn zero_and_floats_are_told_by_digits() {
        for (text, is_zero_, fits) in
            [("0", true, true), ("-0.0", true, true), ("0.1", false, true), ("19.5", false, true)]
        {
            let number: Number = text.parse().unwrap();
            assert_eq!((is_zero(&number), fits_float(&number)), (is_zero_, fits), "{text}");
        }
        assert!(is_whole(&7.into()));
        assert!(!is_whole(&Number::from_f64(7.5).unwrap()));
    }
}
