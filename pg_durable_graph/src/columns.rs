//! The columns of a result, and the members that stand for them in the JSON of a row.

use crate::outcome::Column;

/// The member of each column: its name, and for the second column of a name `name_2`, or what is free after that.
pub fn members(columns: &[Column]) -> Vec<String> {
    let mut members: Vec<String> = Vec::with_capacity(columns.len());
    let is_first = |place: usize| columns[..place].iter().all(|before| before.name != columns[place].name);
    for (place, column) in columns.iter().enumerate() {
        let member = match is_first(place) {
            true => column.name.clone(),
            false => (2..)
                .map(|number: usize| format!("{}_{number}", column.name))
                .find(|member| columns.iter().all(|other| other.name != *member) && !members.contains(member))
                .expect("there are more numbers than columns"),
        };
        members.push(member);
    }
    members
}

/// The members of all columns of a name that several of them have; none if it is one column's, or nobody's.
pub fn ambiguous(columns: &[Column], name: &str) -> Vec<String> {
    if columns.iter().filter(|column| column.name == name).count() < 2 {
        return Vec::new();
    }
    let named = members(columns).into_iter().zip(columns);
    named.filter(|(_, column)| column.name == name).map(|(member, _)| member).collect()
}

/// The names that several columns have, each once.
pub fn repeated(columns: &[Column]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (place, column) in columns.iter().enumerate() {
        let is_repeated = columns[..place].iter().any(|before| before.name == column.name);
        if is_repeated && !names.contains(&column.name.as_str()) {
            names.push(&column.name);
        }
    }
    names
}

/// The column that a member stands for.
pub fn of_member<'a>(columns: &'a [Column], member: &str) -> Option<&'a Column> {
    if let Some(column) = columns.iter().find(|column| column.name == member) {
        return Some(column);
    }
    if repeated(columns).is_empty() {
        return None;
    }
    members(columns).iter().position(|name| name == member).map(|place| &columns[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<Column> {
        names.iter().map(|name| Column::new(*name, format!("t_{name}"))).collect()
    }

    #[test]
    fn columns_of_one_name_have_members_of_their_own() {
        for (names, expected) in [
            (&["a", "b"][..], &["a", "b"][..]),
            (&["v", "v", "v"], &["v", "v_2", "v_3"]),
            (&["v", "v", "v_2"], &["v", "v_3", "v_2"]),
            (&["v_2", "v", "v_2", "v"], &["v_2", "v", "v_2_2", "v_3"]),
        ] {
            assert_eq!(members(&columns(names)), expected, "{names:?}");
        }
    }

    #[test]
    fn names_are_told_apart() {
        let columns = columns(&["v", "id", "v"]);
        assert_eq!(ambiguous(&columns, "v"), ["v", "v_2"]);
        assert!(ambiguous(&columns, "id").is_empty());
        assert!(ambiguous(&columns, "v_2").is_empty());
        assert_eq!(repeated(&columns), ["v"]);
        assert_eq!(of_member(&columns, "v_2").map(|column| column.type_name.as_str()), Some("t_v"));
        assert_eq!(of_member(&columns, "v_3"), None);
    }
}
