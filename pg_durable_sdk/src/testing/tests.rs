use super::{StopMode, TestServer, TestServerError};
use std::process::Command;

/// Without the extension: these tests need a server and no more.
fn start() -> TestServer {
    TestServer::builder().preload(None).setting("max_worker_processes", "12").start().unwrap()
}

fn is_alive(pid: u32) -> bool {
    super::process::Process::find(pid).is_some_and(|process| !process.is_gone())
}

#[test]
fn settings_and_names_reach_the_server() {
    let server = start();
    assert_eq!(server.psql("postgres", "SHOW max_worker_processes; SHOW fsync").unwrap(), "12\noff");
    server.psql("postgres", r#"CREATE ROLE "o'neil \ sons" LOGIN; CREATE DATABASE "späte fälle""#).unwrap();
    let who =
        server.psql_as("o'neil \\ sons", "späte fälle", "SELECT current_user, current_database()").unwrap();
    assert_eq!(who, "o'neil \\ sons|späte fälle");
    let psql = Command::new(server.installation().program("psql"))
        .args(["-XAtc", "SELECT 1", "-d", &server.tcp_dsn("postgres", "postgres")])
        .output()
        .unwrap();
    assert_eq!(psql.stdout, b"1\n");
}

#[test]
fn a_failed_statement_is_the_error() {
    let server = start();
    let error = server.psql("postgres", "SELECT 1; SELECT 1/0; SELECT 2").unwrap_err();
    assert!(error.to_string().contains("division by zero"), "{error}");
    assert!(server.log().contains("division by zero"));
}

#[test]
fn committed_rows_outlive_every_kind_of_end() {
    let server = start();
    server.psql("postgres", "CREATE TABLE t (n int)").unwrap();
    type End = fn(&TestServer) -> Result<(), TestServerError>;
    let ends: [End; 4] = [
        |server| server.stop(StopMode::Fast),
        |server| server.stop(StopMode::Immediate),
        TestServer::kill_postmaster,
        TestServer::kill_all_processes,
    ];
    for (n, end) in ends.into_iter().enumerate() {
        server.psql("postgres", &format!("INSERT INTO t VALUES ({n})")).unwrap();
        let pid = server.postmaster_pid().unwrap();
        end(&server).unwrap();
        assert!(!is_alive(pid));
        assert!(matches!(server.postmaster_pid(), Err(TestServerError::NotRunning)));
        server.start_again().unwrap();
        assert!(matches!(server.start_again(), Err(TestServerError::AlreadyRunning)));
        assert_eq!(server.psql("postgres", "SELECT count(*) FROM t").unwrap(), (n + 1).to_string());
    }
    server.restart().unwrap();
}

#[test]
fn a_killed_backend_is_one_of_ours() {
    let server = start();
    let error = server.kill_backend(std::process::id()).unwrap_err();
    assert!(matches!(error, TestServerError::NotOurs { .. }), "{error}");
    let find = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'";
    let walwriter = server.psql("postgres", find).unwrap().parse().unwrap();
    server.kill_backend(walwriter).unwrap();
    assert!(super::process::wait_until(std::time::Duration::from_secs(30), || {
        server.psql("postgres", find).is_ok_and(|pid| !pid.is_empty() && pid != walwriter.to_string())
    }));
}

#[test]
fn a_standby_follows_and_is_promoted() {
    let primary = start();
    let standby = primary.standby().unwrap();
    primary.psql("postgres", "CREATE TABLE t AS SELECT 7 AS n").unwrap();
    let arrived = || standby.psql("postgres", "SELECT n FROM t").is_ok_and(|n| n == "7");
    assert!(super::process::wait_until(std::time::Duration::from_secs(30), arrived));
    primary.kill_postmaster().unwrap();
    standby.promote().unwrap();
    standby.psql("postgres", "INSERT INTO t VALUES (8)").unwrap();
}

#[test]
fn nothing_is_left_of_a_dropped_server() {
    let server = start();
    let (pid, data) = (server.postmaster_pid().unwrap(), server.data_dir());
    drop(server);
    assert!(!is_alive(pid) && !data.exists());
}

#[test]
fn the_watchdog_ends_what_was_never_dropped() {
    let mut server = start();
    let (pid, data) = (server.postmaster_pid().unwrap(), server.data_dir());
    // What the end of this process would do.
    server.watchdog_mut().abandon();
    assert!(!is_alive(pid) && !data.exists());
}

#[test]
fn a_kept_server_goes_on() {
    let kept = start().keep().unwrap();
    assert!(is_alive(kept.postmaster_pid) && kept.data_dir.exists());
    super::process::signal(kept.postmaster_pid, libc::SIGQUIT).unwrap();
    assert!(super::process::wait_until(std::time::Duration::from_secs(30), || !is_alive(
        kept.postmaster_pid
    )));
    std::fs::remove_dir_all(kept.folder).unwrap();
}

#[test]
fn a_wrong_setting_is_told_with_the_log() {
    let error = TestServer::builder().preload(None).setting("max_connections", "many").start().unwrap_err();
    assert!(error.to_string().contains("max_connections"), "{error}");
}
