//! When a schedule ticks: what the server asks, and nobody else.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};

use super::{Parsed, ScheduleError, parse};
use crate::instant::Instant;

/// From 1970 to 2000, in microseconds.
const EPOCH_SHIFT_US: i64 = 946_684_800_000_000;

/// The first tick strictly after `now` of an expression; `timezone` is an IANA name, `None` is UTC.
pub fn next_tick(expr: &str, timezone: Option<&str>, now: Instant) -> Result<Instant, ScheduleError> {
    let schedule = Schedule::parse(expr, timezone)?;
    let now = now.checked_add(EPOCH_SHIFT_US).and_then(DateTime::from_timestamp_micros);
    let tick = now.and_then(|now| schedule.next_after(now));
    let tick = tick.ok_or_else(|| ScheduleError::NoTick(expr.to_owned()))?;
    Ok(tick.timestamp_micros() - EPOCH_SHIFT_US)
}

/// A cron expression that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    cron: Cron,
    timezone: Tz,
    /// Minutes and hours are lists.
    is_at_fixed_times: bool,
}

impl Schedule {
    /// Reads an expression; `timezone` is an IANA name, `None` is UTC.
    pub fn parse(expr: &str, timezone: Option<&str>) -> Result<Schedule, ScheduleError> {
        let Parsed { fields, timezone } = parse(expr, timezone)?;
        let timezone = timezone.parse().map_err(|_| ScheduleError::TimeZone(timezone.to_owned()))?;
        let star = fields[2].starts_with('*') || fields[4].starts_with('*');
        let is_at_fixed_times = !fields[..2].iter().any(|field| field.contains('*'));
        let cron = CronParser::builder()
            .seconds(Seconds::Required)
            .dom_and_dow(star)
            .build()
            .parse(&format!("0 {}", fields.join(" ")))
            .map_err(|error| ScheduleError::Expression {
                expr: expr.to_owned(),
                reason: error.to_string(),
            })?;
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
    fn time_zones_are_those_that_are_known() {
        let known: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
        let written: Vec<&str> = pg_durable_syntax::schedule::time_zones().collect();
        // Where chrono-tz has others, the file is to hold them.
        assert_eq!(written, known, "pg_durable_syntax/src/schedule/zones.txt:\n{}", known.join("\n"));
    }

    /// Items of a field from one value to another, good and bad.
    fn items(from: &str, to: &str, more: &str) -> Vec<String> {
        let all = "* F T F-T T-F F-T/2 */2 */0 F/2 /2 F,T F-T,T -F F- 1-2-3 ** x é #1 1L 1W 5001 99999 F-99 +1 1.5 *-5 */2/2 ";
        let all = all.replace('F', from).replace('T', to) + more;
        all.split(' ').filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn what_is_checked_is_what_the_parser_takes() {
        let fields = [
            items("0", "59", ""),
            items("0", "23", ""),
            items("1", "31", "? L LW 15W 32W W L,1 0"),
            items("1", "12", "JAN feb-DEC DEC-JAN 13 0"),
            items("0", "7", "? L 5L 5#L FRI#2 MON-FRI#5 1#6 8 SUN-TUE FRI-SUN +5 1-5L MON-FRI/2"),
            items("2026", "2030", ""),
        ];
        let mut taken = 0;
        for (nth, items) in fields.into_iter().enumerate() {
            for item in items {
                let mut expr = ["0", "0", "*", "*", "*", "*"].map(str::to_owned);
                expr[nth] = item;
                let expr = expr.join(" ");
                let parser = CronParser::builder().seconds(Seconds::Required).build();
                let parsed = parser.parse(&format!("0 {expr}"));
                assert_eq!(parse(&expr, None).is_ok(), parsed.is_ok(), "{expr}: {parsed:?}");
                taken += usize::from(parsed.is_ok());
            }
        }
        assert!(taken > 60, "{taken}");
    }
}
