//! Spans of time in wire form: decimal seconds, to the microsecond.

use std::time::Duration;

use serde_json::Number;

use crate::limits::SPAN_MAX;

/// Why a text is not a span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bad {
    NotNumber,
    TooFine,
    Negative,
    TooLong,
}

/// Reads `60` or `0.5`; no exponent, at most six decimals.
pub(crate) fn parse(text: &str) -> Result<Duration, Bad> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits.ends_with('.') {
        return Err(Bad::NotNumber);
    }
    let significant = fraction.trim_end_matches('0');
    if significant.len() > 6 {
        return Err(Bad::TooFine);
    }
    let micros: u32 = format!("{significant:0<6}").parse().expect("six digits");
    // More digits than a u64 holds are more than the limit, too.
    let whole: u64 = whole.parse().unwrap_or(u64::MAX);
    let duration = Duration::new(whole, micros * 1000);
    if text.starts_with('-') && !duration.is_zero() {
        Err(Bad::Negative)
    } else if duration > SPAN_MAX {
        Err(Bad::TooLong)
    } else {
        Ok(duration)
    }
}

/// Reads a number of JSON, which is written with an exponent where it is small: `1e-6`.
pub(crate) fn of_number(number: &Number) -> Result<Duration, Bad> {
    let text = number.to_string();
    match number.as_f64() {
        Some(value) if text.contains(['e', 'E']) => parse(&value.to_string()),
        Some(_) | None => parse(&text),
    }
}

/// Writes whole seconds as an integer, so that the text equals the reference system's.
pub(crate) fn print(duration: Duration) -> String {
    let micros = duration.subsec_micros();
    if micros == 0 {
        return duration.as_secs().to_string();
    }
    let text = format!("{}.{micros:06}", duration.as_secs());
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_survive_the_round_trip() {
        for (text, micros) in [("0", 0), ("60", 60_000_000), ("0.5", 500_000), ("1.000001", 1_000_001)] {
            let duration = parse(text).unwrap();
            assert_eq!(duration, Duration::from_micros(micros), "{text}");
            assert_eq!(print(duration), text);
        }
    }

    #[test]
    fn numbers_may_have_an_exponent() {
        for (json, expected) in [
            ("0.000001", Ok(Duration::from_micros(1))),
            ("1e-6", Ok(Duration::from_micros(1))),
            ("1.5e3", Ok(Duration::from_secs(1500))),
            ("1e-7", Err(Bad::TooFine)),
            ("-1e-6", Err(Bad::Negative)),
            ("1e300", Err(Bad::TooLong)),
            ("0.25", Ok(Duration::from_millis(250))),
        ] {
            let number: Number = serde_json::from_str(json).unwrap();
            assert_eq!(of_number(&number), expected, "{json}");
        }
    }

    #[test]
    fn seconds_are_decimal_and_bounded() {
        for (text, expected) in [
            ("", Err(Bad::NotNumber)),
            ("1.", Err(Bad::NotNumber)),
            (".5", Err(Bad::NotNumber)),
            ("1e3", Err(Bad::NotNumber)),
            ("ten", Err(Bad::NotNumber)),
            ("-1", Err(Bad::Negative)),
            ("-0", Ok(Duration::ZERO)),
            ("0.0000001", Err(Bad::TooFine)),
            ("0.5000000", Ok(Duration::from_millis(500))),
            ("3155760000", Ok(SPAN_MAX)),
            ("3155760001", Err(Bad::TooLong)),
            ("99999999999999999999999999", Err(Bad::TooLong)),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
