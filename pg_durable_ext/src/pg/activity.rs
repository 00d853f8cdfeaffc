//! What `pg_stat_activity` shows of our processes.

use pgrx::pg_sys;

use super::encoding;

/// Shows the text as `application_name`, outside the setting of that name, which is the user's.
pub fn show_name(name: &str) {
    let name = encoding::from_utf8(name);
    // SAFETY: the text is copied.
    unsafe { pg_sys::pgstat_report_appname(name.as_ptr()) }
}

/// Shows the statement as running.
pub fn show_statement(sql: &str) {
    let sql = encoding::from_utf8(sql);
    // SAFETY: the text is copied.
    unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, sql.as_ptr()) }
}

/// Shows the process as idle.
pub fn show_idle() {
    // SAFETY: no text is given.
    unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null()) }
}

/// Hands collected table and database statistics over; without `force` at most once a second.
pub fn report_statistics(force: bool) {
    // SAFETY: called outside a transaction, as the function demands.
    unsafe {
        pg_sys::pgstat_report_stat(force);
    }
}
