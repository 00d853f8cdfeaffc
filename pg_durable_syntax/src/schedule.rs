//! Cron expressions, in a time zone.
//!
//! Five fields (minute, hour, day of month, month, day of week) and optionally a year; `@daily` and the like.
//! Sunday is 0 or 7, names are accepted, and as in Vixie cron a day matches when day of month *or* day of week
//! does, unless one of them begins with `*`. The reference system counts Sunday as 1 and wants both to match.
//!
//! Here they are read, by SDK and server alike. When they tick is in `pg_durable_graph`, and nobody's business but the server's.

mod fields;

/// A cron expression or time zone that was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The expression is wrong.
    #[error("Invalid cron expression '{expr}': {reason}")]
    Expression {
        /// As it was given.
        expr: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such time zone.
    #[error("Unknown time zone '{0}'")]
    TimeZone(String),
    /// It was understood, and asks for a day that does not come any more.
    #[error("No upcoming schedule found for '{0}'")]
    NoTick(String),
}

impl ScheduleError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ScheduleError::Expression { .. } => {
                Some("Write five fields: minute, hour, day of month, month, day of week (0 or 7 is Sunday).")
            }
            ScheduleError::TimeZone(_) => Some("Use an IANA name such as Europe/Berlin."),
            ScheduleError::NoTick(_) => None,
        }
    }
}

/// An expression that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Minute, hour, day of month, month, day of week and year, in capitals and with the shorthands written out.
    pub fields: [String; 6],
    /// The IANA name of the time zone.
    pub timezone: &'static str,
}

/// Reads an expression; `timezone` is an IANA name, however it is capitalised, as for the server; `None` is UTC.
pub fn parse(expr: &str, timezone: Option<&str>) -> Result<Parsed, ScheduleError> {
    let fields =
        fields::read(expr).map_err(|reason| ScheduleError::Expression { expr: expr.to_owned(), reason })?;
    let name = timezone.unwrap_or("UTC");
    let timezone = time_zones().find(|known| known.eq_ignore_ascii_case(name));
    let timezone = timezone.ok_or_else(|| ScheduleError::TimeZone(name.to_owned()))?;
    Ok(Parsed { fields, timezone })
}

/// The names of all time zones, without what is known of each, which is a hundred times as much.
pub fn time_zones() -> impl Iterator<Item = &'static str> {
    include_str!("schedule/zones.txt").lines()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_time_zone_are_written_out() {
        let parsed = parse(" @weekly ", Some("europe/berlin")).unwrap();
        assert_eq!(parsed.fields, ["0", "0", "*", "*", "0", "*"]);
        assert_eq!(parsed.timezone, "Europe/Berlin");
        assert_eq!(parse("0 9 * * mon-fri 2030", None).unwrap().fields[4..], ["MON-FRI", "2030"]);
    }

    #[test]
    fn bad_expressions_are_refused() {
        for expr in [
            "",
            "* * * *",
            "61 * * * *",
            "0 0 0 * *",
            "* * * * * * *",
            "MON * * * *",
            "* * * * JAN",
            "@often",
        ] {
            let error = parse(expr, None).unwrap_err().to_string();
            assert!(error.starts_with(&format!("Invalid cron expression '{expr}': ")), "{error}");
        }
        assert_eq!(
            parse("@daily", Some("Europe/Bern")).unwrap_err().to_string(),
            "Unknown time zone 'Europe/Bern'"
        );
    }
}
