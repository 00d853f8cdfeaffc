//! The fields of a cron expression.

/// What may stand in a field.
struct Field {
    label: &'static str,
    least: u16,
    greatest: u16,
    /// Names of the values, from the least on.
    names: &'static [&'static str],
}

const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

const DAY: usize = 2;
const WEEKDAY: usize = 4;

static FIELDS: [Field; 6] = [
    Field { label: "minute", least: 0, greatest: 59, names: &[] },
    Field { label: "hour", least: 0, greatest: 23, names: &[] },
    Field { label: "day of month", least: 1, greatest: 31, names: &[] },
    Field { label: "month", least: 1, greatest: 12, names: MONTHS },
    Field { label: "day of week", least: 0, greatest: 7, names: WEEKDAYS },
    Field { label: "year", least: 1, greatest: 5000, names: &[] },
];

/// No field has so many values.
const STEP_MAX: u16 = 9999;

/// The fields of an expression, in capitals; a year that is not given is any.
pub(super) fn read(expr: &str) -> Result<[String; 6], String> {
    let upper = expr.trim().to_ascii_uppercase();
    let expanded = match upper.as_str() {
        "@YEARLY" | "@ANNUALLY" => "0 0 1 1 *",
        "@MONTHLY" => "0 0 1 * *",
        "@WEEKLY" => "0 0 * * 0",
        "@DAILY" | "@MIDNIGHT" => "0 0 * * *",
        "@HOURLY" => "0 * * * *",
        other => other,
    };
    let mut given: Vec<String> = expanded.split_ascii_whitespace().map(str::to_owned).collect();
    if given.len() == 5 {
        given.push("*".to_owned());
    }
    let fields: [String; 6] = given.try_into().map_err(|given: Vec<String>| match given.len() {
        0 => "it is empty".to_owned(),
        n => format!("expected 5 fields, or 6 with a year, found {n}"),
    })?;
    for (nth, text) in fields.iter().enumerate() {
        check(nth, text)?;
    }
    Ok(fields)
}

fn check(nth: usize, text: &str) -> Result<(), String> {
    // Day of month AND day of week.
    let list = if nth == WEEKDAY { text.strip_prefix('+').unwrap_or(text) } else { text };
    list.split(',').try_for_each(|item| match (nth, is_any(nth, list)) {
        (_, true) => Ok(()),
        (DAY, false) => FIELDS[DAY].check_day(item),
        (WEEKDAY, false) => FIELDS[WEEKDAY].check_weekday(item),
        (_, false) => FIELDS[nth].check_item(item),
    })
}

fn is_any(nth: usize, text: &str) -> bool {
    text == "*" || text == "?" && matches!(nth, DAY | WEEKDAY)
}

impl Field {
    /// `L` is the last day, `15W` the weekday next to the 15th, `LW` the last weekday.
    fn check_day(&self, item: &str) -> Result<(), String> {
        match item.strip_suffix('W') {
            Some("L") => Ok(()),
            Some(day) => self.value(day).map(drop),
            None if item == "L" => Ok(()),
            None => self.check_item(item),
        }
    }

    /// `5L` and `5#L` are the last Friday of the month, `5#2` is the second.
    fn check_weekday(&self, item: &str) -> Result<(), String> {
        if item == "L" {
            return Ok(());
        }
        match (item.split_once('#'), item.strip_suffix('L')) {
            (Some((days, "1" | "2" | "3" | "4" | "5" | "L")), _) => self.check_range(days),
            (Some((_, which)), _) => Err(format!("'#{which}' is none of #1 to #5, nor #L")),
            (None, Some(day)) => self.value(day).map(drop),
            (None, None) => self.check_item(item),
        }
    }

    /// A value, a range, or one of them with a step.
    fn check_item(&self, item: &str) -> Result<(), String> {
        let Some((range, step)) = item.split_once('/') else { return self.check_range(item) };
        if !number(step).is_some_and(|step| (1..=STEP_MAX).contains(&step)) {
            return Err(format!("'/{step}' is not a step"));
        }
        match range {
            "*" => Ok(()),
            _ if range.contains('-') => self.check_range(range),
            _ => Err(format!("a step needs a range: */{step}, or {range}-{}/{step}", self.greatest)),
        }
    }

    fn check_range(&self, text: &str) -> Result<(), String> {
        let Some((first, last)) = text.split_once('-') else { return self.value(text).map(drop) };
        let first = self.value(first)?;
        // Sunday is the first day of a week, and the last.
        let last = if last == WEEKDAYS[0] { self.value("7")? } else { self.value(last)? };
        if first > last {
            return Err(format!("the range '{text}' ends before it begins"));
        }
        Ok(())
    }

    fn value(&self, word: &str) -> Result<u16, String> {
        let named = self.names.iter().zip(self.least..).find(|(name, _)| **name == word);
        let value = named.map(|(_, value)| value).or_else(|| number(word));
        value
            .filter(|value| (self.least..=self.greatest).contains(value))
            .ok_or_else(|| format!("'{word}' is no {} ({} to {})", self.label, self.least, self.greatest))
    }
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
