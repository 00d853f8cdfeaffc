use pg_durable_sdk::sql;

fn main() {
    let _ = sql!(include_str!("nowhere.sql"));
    let _ = sql!(include_str!(nowhere));
    let _ = sql!(concat!("SELECT", "1"));
    let _ = sql!(include_str!("sql_file/unclosed.sql"));
}
