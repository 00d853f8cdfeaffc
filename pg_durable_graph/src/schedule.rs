//! Cron expressions, in a time zone.
//!
//! Five fields (minute, hour, day of month, month, day of week) and optionally a year; `@daily` and the like.
//! Sunday is 0 or 7, names are accepted, and as in Vixie cron a day matches when day of month *or* day of week
//! does, unless one of them begins with `*`. The reference system counts Sunday as 1 and wants both to match.
//!
//! Ticks at fixed times, which are those without `*` in minute and hour, follow the wall clock: where it is put forward,
//! those in the gap happen once, right after it; where it is put back, each happens once, the first time. All others go on
//! at their pace through both hours.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;
use croner::parser::{CronParser, Seconds};

/// A cron expression that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    cron: Cron,
    timezone: Tz,
    /// Minutes and hours are lists.
    is_at_fixed_times: bool,
}

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

impl Schedule {
    /// Reads an expression; `timezone` is an IANA name, `None` is UTC.
    pub fn parse(expr: &str, timezone: Option<&str>) -> Result<Schedule, ScheduleError> {
        let (cron, is_at_fixed_times) =
            parse_cron(expr).map_err(|reason| ScheduleError::Expression { expr: expr.to_owned(), reason })?;
        let timezone = match timezone {
            Some(name) => time_zone(name).ok_or_else(|| ScheduleError::TimeZone(name.to_owned()))?,
            None => Tz::UTC,
        };
        Ok(Schedule { cron, timezone, is_at_fixed_times })
    }

    /// The first tick strictly after `at`; `None` when there is none, as for the 30th of February.
    pub fn next_after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.is_at_fixed_times {
            return self.next_fixed_after(at);
        }
        let next = self.cron.find_next_occurrence(&at.with_timezone(&self.timezone), false).ok()?;
        Some(next.with_timezone(&Utc))
    }

    /// Goes through the ticks on the wall clock, and takes the first that is later. Those in a repeated hour may be over.
    fn next_fixed_after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // UTC stands for the wall clock, as it has neither gaps nor repetitions.
        let mut wall = at.with_timezone(&self.timezone).naive_local().and_utc();
        loop {
            wall = self.cron.find_next_occurrence(&wall, false).ok()?;
            let tick = self.instant_of(wall.naive_utc());
            if tick > at {
                return Some(tick);
            }
        }
    }

    /// When the wall clock shows a time first, or jumps over it.
    fn instant_of(&self, wall: NaiveDateTime) -> DateTime<Utc> {
        match self.timezone.from_local_datetime(&wall) {
            LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => instant.with_timezone(&Utc),
            LocalResult::None => self.end_of_gap(wall),
        }
    }

    /// The first second at which the wall clock shows more than a time that it jumps over.
    fn end_of_gap(&self, wall: NaiveDateTime) -> DateTime<Utc> {
        /// No zone is further from UTC, and no gap longer.
        const AROUND_SECS: i64 = 2 * 24 * 60 * 60;
        let (mut before, mut after) = (-AROUND_SECS, AROUND_SECS);
        while after - before > 1 {
            let middle = (before + after) / 2;
            let instant = wall.and_utc() + TimeDelta::seconds(middle);
            if instant.with_timezone(&self.timezone).naive_local() > wall {
                after = middle;
            } else {
                before = middle;
            }
        }
        wall.and_utc() + TimeDelta::seconds(after)
    }
}

/// The time zone of this name, however it is capitalised, as for the server.
fn time_zone(name: &str) -> Option<Tz> {
    name.parse()
        .ok()
        .or_else(|| TZ_VARIANTS.iter().find(|known| known.name().eq_ignore_ascii_case(name)).copied())
}

const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// The expression, and whether its ticks are at fixed times.
fn parse_cron(expr: &str) -> Result<(Cron, bool), String> {
    let upper = expr.trim().to_ascii_uppercase();
    let expanded = match upper.as_str() {
        "@YEARLY" | "@ANNUALLY" => "0 0 1 1 *",
        "@MONTHLY" => "0 0 1 * *",
        "@WEEKLY" => "0 0 * * 0",
        "@DAILY" | "@MIDNIGHT" => "0 0 * * *",
        "@HOURLY" => "0 * * * *",
        other => other,
    };
    let mut fields: Vec<&str> = expanded.split_ascii_whitespace().collect();
    match fields.len() {
        5 => fields.push("*"),
        6 => {}
        0 => return Err("it is empty".to_owned()),
        n => return Err(format!("expected 5 fields, or 6 with a year, found {n}")),
    }
    check_words(&fields)?;
    let star = fields[2].starts_with('*') || fields[4].starts_with('*');
    let is_at_fixed_times = !fields[..2].iter().any(|field| field.contains(['*', '?']));
    let cron = CronParser::builder()
        .seconds(Seconds::Required)
        .dom_and_dow(star)
        .build()
        .parse(&format!("0 {}", fields.join(" ")))
        .map_err(|error| error.to_string())?;
    Ok((cron, is_at_fixed_times))
}

/// Refuses names in the wrong field, which the parser would take for their numbers.
fn check_words(fields: &[&str]) -> Result<(), String> {
    let known: [&[&str]; 6] = [&[], &[], &["L", "W", "LW"], &MONTHS, &WEEKDAYS, &[]];
    let labels = ["minute", "hour", "day of month", "month", "day of week", "year"];
    for ((field, known), label) in fields.iter().zip(known).zip(labels) {
        let is_last_weekday = |word: &str| label == "day of week" && word == "L";
        let mut words = field.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
        if let Some(word) = words.find(|word| !known.contains(word) && !is_last_weekday(word)) {
            return Err(format!("'{word}' is not a {label}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(expr: &str, timezone: Option<&str>, from: &str, n: usize) -> Vec<String> {
        let schedule = Schedule::parse(expr, timezone).unwrap();
        let mut at: DateTime<Utc> = from.parse().unwrap();
        let mut ticks = Vec::new();
        for _ in 0..n {
            at = schedule.next_after(at).unwrap();
            ticks.push(at.format("%Y-%m-%d %H:%M").to_string());
        }
        ticks
    }

    fn check(expr: &str, from: &str, expected: &[&str]) {
        assert_eq!(ticks(expr, None, from, expected.len()), expected, "{expr}");
    }

    #[test]
    fn ticks_are_strictly_later() {
        check("*/5 * * * *", "2026-01-01T00:00:00Z", &["2026-01-01 00:05", "2026-01-01 00:10"]);
        check("0 9 * * *", "2026-01-01T08:59:59.5Z", &["2026-01-01 09:00"]);
        check("0 9 * * *", "2026-01-01T09:00:00.000001Z", &["2026-01-02 09:00"]);
    }

    #[test]
    fn sunday_is_0_or_7_and_names_are_accepted() {
        // 2026-01-04 is a Sunday.
        for expr in ["0 2 * * 0", "0 2 * * 7", "0 2 * * SUN", "0 2 * * sun"] {
            check(expr, "2026-01-01T00:00:00Z", &["2026-01-04 02:00", "2026-01-11 02:00"]);
        }
        for expr in ["0 9 * * 1-5", "0 9 * * MON-FRI"] {
            check(expr, "2026-01-02T08:00:00Z", &["2026-01-02 09:00", "2026-01-05 09:00"]);
        }
        check("0 0 1 FEB *", "2026-01-01T00:00:00Z", &["2026-02-01 00:00"]);
    }

    #[test]
    fn day_of_month_or_day_of_week_matches() {
        // Friday, or the 13th.
        check(
            "0 0 13 * 5",
            "2026-01-08T00:00:00Z",
            &["2026-01-09 00:00", "2026-01-13 00:00", "2026-01-16 00:00"],
        );
        // A field that begins with `*` restricts the other.
        check("0 0 */2 * 1", "2026-01-01T00:00:00Z", &["2026-01-05 00:00", "2026-01-19 00:00"]);
    }

    #[test]
    fn shorthands_and_years() {
        check("@daily", "2026-01-01T00:00:00Z", &["2026-01-02 00:00"]);
        check("@hourly", "2026-01-01T00:00:00Z", &["2026-01-01 01:00"]);
        check("@weekly", "2026-01-01T00:00:00Z", &["2026-01-04 00:00"]);
        check("@monthly", "2026-01-01T00:00:00Z", &["2026-02-01 00:00"]);
        check("@yearly", "2026-01-01T00:00:00Z", &["2027-01-01 00:00"]);
        check("0 0 1 1 * 2030", "2026-01-01T00:00:00Z", &["2030-01-01 00:00"]);
    }

    #[test]
    fn a_daily_tick_happens_once_a_day_across_clock_changes() {
        let berlin = |from, n| ticks("30 2 * * *", Some("Europe/Berlin"), from, n);
        // 2026-03-29: 02:00 becomes 03:00, so 02:30 is not there; UTC+1 before, UTC+2 after.
        assert_eq!(
            berlin("2026-03-28T00:00:00Z", 3),
            ["2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30"]
        );
        // 2026-10-25: 03:00 becomes 02:00, so 02:30 is there twice.
        assert_eq!(
            berlin("2026-10-24T00:00:00Z", 3),
            ["2026-10-24 00:30", "2026-10-25 00:30", "2026-10-26 01:30"]
        );
        // From between the two 02:30s, and from the second one.
        assert_eq!(berlin("2026-10-25T00:45:00Z", 1), ["2026-10-26 01:30"]);
        assert_eq!(berlin("2026-10-25T01:30:00Z", 1), ["2026-10-26 01:30"]);
    }

    #[test]
    fn lists_ranges_and_steps_of_fixed_times_follow_the_wall_clock() {
        let berlin = |expr, from, expected: &[&str]| {
            assert_eq!(ticks(expr, Some("Europe/Berlin"), from, expected.len()), expected, "{expr}");
        };
        // Both fall into the gap and happen when it ends.
        berlin("0,30 2 * * *", "2026-03-28T20:00:00Z", &["2026-03-29 01:00", "2026-03-30 00:00"]);
        berlin("0 2,4 * * *", "2026-10-24T20:00:00Z", &["2026-10-25 00:00", "2026-10-25 03:00"]);
        berlin(
            "30 1-4 * * *",
            "2026-10-24T22:00:00Z",
            &["2026-10-24 23:30", "2026-10-25 00:30", "2026-10-25 02:30"],
        );
        berlin(
            "0 0-4/2 * * *",
            "2026-10-24T21:00:00Z",
            &["2026-10-24 22:00", "2026-10-25 00:00", "2026-10-25 03:00"],
        );
        // From the second 02:10, the ticks of the first pass are over.
        berlin("*/15 2 * * *", "2026-10-25T00:50:00Z", &["2026-10-25 01:00", "2026-10-25 01:15"]);
        berlin("0,15,30,45 2 * * *", "2026-10-25T00:50:00Z", &["2026-10-26 01:00", "2026-10-26 01:15"]);
        // Samoa had no 30th of December.
        let apia = ticks("0 12 * * *", Some("Pacific/Apia"), "2011-12-29T23:00:00Z", 2);
        assert_eq!(apia, ["2011-12-30 10:00", "2011-12-30 22:00"]);
    }

    #[test]
    fn every_quarter_of_an_hour_goes_on_through_both_hours() {
        for from in ["2026-03-29T00:35:00Z", "2026-10-24T23:35:00Z"] {
            let found = ticks("*/15 * * * *", Some("Europe/Berlin"), from, 12);
            let utc = ticks("*/15 * * * *", None, from, 12);
            assert_eq!(found, utc);
        }
    }

    #[test]
    fn impossible_dates_have_no_tick() {
        let schedule = Schedule::parse("0 0 30 2 *", None).unwrap();
        assert_eq!(schedule.next_after("2026-01-01T00:00:00Z".parse().unwrap()), None);
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
            let error = Schedule::parse(expr, None).unwrap_err().to_string();
            assert!(error.starts_with(&format!("Invalid cron expression '{expr}': ")), "{error}");
        }
        assert_eq!(
            Schedule::parse("@daily", Some("Europe/Bern")).unwrap_err().to_string(),
            "Unknown time zone 'Europe/Bern'"
        );
    }
}
