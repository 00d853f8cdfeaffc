//! Which failures something takes: words that stand for SQLSTATEs.

use std::fmt;

use crate::error::Problem;

/// What passes by itself more often than not: conflicts, locks, lost connections, shortages, a server that shuts down,
/// and what our own codes say of services.
const TRANSIENT: [&str; 14] = [
    "40001", "40P01", "55P03", "08*", "53*", "57P01", "57P02", "57P03", "58030", "PDH02", "PDH03", "PDA01",
    "PDA02", "PDA04",
];
const TIMEOUT: [&str; 4] = ["PDT*", "PDA01", "PDA03", "PDH02"];
const HTTP: [&str; 1] = ["PDH*"];

/// What nothing takes: the instance's own deadline, and a graph that cannot be read.
const UNTAKEN: [&str; 2] = ["PDT02", "XX001"];

/// Failures by their SQLSTATEs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matching {
    /// Any.
    All,
    /// What passes by itself more often than not.
    Transient,
    /// A step, or what is around it, took too long.
    Timeout,
    /// An answer of a service.
    Http,
    /// One SQLSTATE.
    Code(String),
    /// Those that begin so.
    Class(String),
}

impl Matching {
    /// Reads a word: `all`, `transient`, `timeout`, `http`, a SQLSTATE as `23505`, or the beginning of some as `23*`. Letters
    /// of a SQLSTATE may be small.
    pub fn parse(word: &str) -> Option<Matching> {
        Some(match word {
            "all" => Matching::All,
            "transient" => Matching::Transient,
            "timeout" => Matching::Timeout,
            "http" => Matching::Http,
            code => {
                let beginning = code.strip_suffix('*');
                let letters = beginning.unwrap_or(code);
                let is_right = letters.bytes().all(|byte| byte.is_ascii_alphanumeric())
                    && if beginning.is_some() { (2..5).contains(&letters.len()) } else { letters.len() == 5 };
                let letters = is_right.then(|| letters.to_ascii_uppercase())?;
                if beginning.is_some() { Matching::Class(letters) } else { Matching::Code(letters) }
            }
        })
    }

    /// Reads words; `member` is where they stand, for the message.
    pub fn parse_all<W: AsRef<str>>(member: &'static str, words: &[W]) -> Result<Vec<Matching>, Problem> {
        let read = |word: &W| {
            let word = word.as_ref();
            Matching::parse(word).ok_or_else(|| Problem::ErrorWord { member, word: word.to_owned() })
        };
        words.iter().map(read).collect()
    }

    fn takes(&self, sqlstate: &str) -> bool {
        match self {
            Matching::All => true,
            Matching::Transient => any(&TRANSIENT, sqlstate),
            Matching::Timeout => any(&TIMEOUT, sqlstate),
            Matching::Http => any(&HTTP, sqlstate),
            Matching::Code(code) => code == sqlstate,
            Matching::Class(beginning) => sqlstate.starts_with(beginning.as_str()),
        }
    }
}

impl fmt::Display for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Matching::All => f.write_str("all"),
            Matching::Transient => f.write_str("transient"),
            Matching::Timeout => f.write_str("timeout"),
            Matching::Http => f.write_str("http"),
            Matching::Code(code) => f.write_str(code),
            Matching::Class(beginning) => write!(f, "{beginning}*"),
        }
    }
}

fn any(words: &[&str], sqlstate: &str) -> bool {
    words.iter().any(|word| match word.strip_suffix('*') {
        Some(beginning) => sqlstate.starts_with(beginning),
        None => *word == sqlstate,
    })
}

/// Whether one of these words takes a failure with this SQLSTATE, and none of the exceptions does.
pub(crate) fn takes(on: &[Matching], except: &[Matching], sqlstate: &str) -> bool {
    let is_in = |words: &[Matching]| words.iter().any(|word| word.takes(sqlstate));
    !UNTAKEN.contains(&sqlstate) && is_in(on) && !is_in(except)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_printed() {
        for word in ["all", "transient", "timeout", "http", "23505", "40*", "PDH*", "40P01"] {
            assert_eq!(Matching::parse(word).unwrap().to_string(), word);
        }
        assert_eq!(Matching::parse("40p01").unwrap().to_string(), "40P01");
        for word in ["", "*", "4*", "4000", "400011", "40001*", "ALL", "some", "2350 ", "2350\u{e9}"] {
            assert_eq!(Matching::parse(word), None, "{word}");
        }
    }

    #[test]
    fn a_word_takes_what_it_stands_for() {
        for (on, except, taken, left) in [
            ("all", "", "22012 40001 PDT01 57014 XX000", "PDT02 XX001"),
            ("all", "23*", "22012", "23505 23503"),
            ("transient", "", "40001 40P01 55P03 08006 53100 57P01 PDA04", "57014 22012 PDT01 40002 PDH01"),
            ("timeout", "", "PDT01 PDH02", "57014 PDT02"),
            ("http", "", "PDH01 PDH03", "PDA01"),
            ("23*", "23503", "23505", "23503 40001"),
        ] {
            let parse = |word| Matching::parse(word).into_iter().collect::<Vec<_>>();
            let (on, except) = (parse(on), parse(except));
            let check = |code: &str| takes(&on, &except, code);
            assert!(taken.split(' ').all(check), "{on:?} {taken}");
            assert!(!left.split(' ').any(check), "{on:?} {left}");
        }
    }
}
