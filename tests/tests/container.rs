//! Servers in containers.
//!
//! They start from the image that PG_DURABLE_IMAGE names, which must then be there, as `cargo xtask test` sees to; else
//! from `pg_durable:dev` where there is one. Where there is none, nor an engine, each test says that it was skipped.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use pg_durable_sdk::{
    Client, Workflow, sql,
    testing::{ContainerServer, IMAGE_VARIABLE, StopMode, TestServer, TestServerError},
};

/// How long anything may take, with a restart in it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where this test program runs itself, which of its parts it is to play.
const PART_VARIABLE: &str = "PG_DURABLE_TEST_PART";

#[test]
fn a_workflow_outlives_every_end_of_its_container() {
    let Some(server) = server() else { return };
    server
        .psql(
            "postgres",
            "CREATE ROLE app LOGIN; SELECT df.grant_usage('app'); CREATE SCHEMA app AUTHORIZATION app",
        )
        .expect("the role is made");
    server
        .psql_as("app", "postgres", "CREATE TABLE app.effects (run text, step int)")
        .expect("a table is made");
    type End = fn(&ContainerServer) -> Result<(), TestServerError>;
    let ends: [(&str, End); 5] = [
        ("kill -9 of the postmaster", |server| {
            server.kill_postmaster()?;
            server.start_again()
        }),
        ("kill -9 of the running process", |server| {
            let pid =
                server.psql("postgres", "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")?;
            server.kill_backend(pid.parse().expect("one process sleeps"))
        }),
        ("immediate stop", |server| {
            server.stop(StopMode::Immediate)?;
            server.start_again()
        }),
        ("restart", ContainerServer::restart),
        ("nothing", |_| Ok(())),
    ];
    in_runtime(async {
        for (name, end) in ends {
            let client = Client::connect(&server.dsn("app", "postgres")).await.expect("the role may log in");
            let effect = |step| format!("INSERT INTO app.effects VALUES ('{name}', {step})");
            let workflow = Workflow::new()
                .step(sql(effect(1)))
                .step(sql(format!("{}; SELECT pg_sleep(2)", effect(2))))
                .step(sql(effect(3)))
                .step(
                    sql(format!("SELECT count(*)::int AS n FROM app.effects WHERE run = '{name}'"))
                        .returns::<i32>(),
                );
            let run = workflow.start(&client).await.expect("it starts");
            tokio::task::block_in_place(|| {
                let is_in_the_middle =
                    "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
                until(name, || server.psql("postgres", is_in_the_middle).is_ok_and(|is_so| is_so == "t"));
                let effects =
                    format!("SELECT string_agg(step::text, ',') FROM app.effects WHERE run = '{name}'");
                assert_eq!(server.psql("postgres", &effects).expect("it answers"), "1", "{name}");
                end(&server).unwrap_or_else(|error| panic!("{name}: {error}"));
            });
            let n = run.result().await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(n, 3, "{name}");
        }
    });
    let twice = "SELECT count(*), count(DISTINCT (run, step)) FROM app.effects";
    assert_eq!(server.psql("postgres", twice).expect("it answers"), "15|15");
}

#[test]
fn the_server_is_like_a_local_one() {
    let Some(server) = server() else { return };
    let answer = |sql: &str| server.psql("postgres", sql).expect("it answers");
    assert_eq!(answer("SHOW shared_preload_libraries; SHOW fsync; SELECT 'zwölf'"), "pg_durable\noff\nzwölf");
    // An unprivileged user's: the second column is the effective uid.
    let uid = r"SELECT (regexp_match(pg_read_file('/proc/1/status'), '\nUid:\t\d+\t(\d+)'))[1]::int > 0";
    assert_eq!(answer(uid), "t");
    let error = server.psql("postgres", "SELECT 1; SELECT 1/0; SELECT 2").expect_err("it fails");
    assert!(error.to_string().contains("division by zero"), "{error}");
    assert!(server.log().contains("division by zero"));
    // More than a pipe holds, in both directions.
    let long = "x".repeat(300_000);
    assert_eq!(server.psql("postgres", &format!("SELECT '{long}'")).expect("it answers"), long);

    answer("CREATE ROLE app LOGIN; SELECT df.grant_usage('app')");
    let start = "SELECT df.start(df.sleep(interval '1 day') ~> 'SELECT 1 AS slept')";
    let id = server.psql_as("app", "postgres", start).expect("it starts");
    let waits = format!("SELECT count(*) FROM df.instance_nodes('{id}') WHERE waiting_for IS NOT NULL");
    until("the workflow sleeps", || answer(&waits) == "1");
    server.advance(Duration::from_secs(86_400)).expect("the clock moves");
    until("a day passes", || answer(&format!("SELECT df.status('{id}')")) == "completed");

    for error in [server.kill_backend(1), server.kill_backend(4_000_000)] {
        assert!(matches!(error, Err(TestServerError::NotOurs { .. })), "{error:?}");
    }
    assert!(matches!(server.start_again(), Err(TestServerError::AlreadyRunning)));
    server.stop(StopMode::Fast).expect("it stops");
    assert!(server.log().contains("database system is shut down"));
    for error in [server.stop(StopMode::Fast).err(), server.psql("postgres", "SELECT 1").err()] {
        assert!(matches!(error, Some(TestServerError::NotRunning)), "{error:?}");
    }
}

#[test]
fn nothing_is_left_of_a_dropped_server() {
    let Some(server) = server() else { return };
    let name = server.container_name().to_owned();
    assert!(is_there(&name));
    // In a runtime, too, which refuses to wait for another.
    in_runtime(async { drop(server) });
    assert!(!is_there(&name));
}

#[test]
fn nothing_is_left_of_a_server_whose_test_was_killed() {
    if let Some("be killed") = part().as_deref() {
        let server = TestServer::container().expect("it started a moment ago");
        println!("{}", server.container_name());
        loop {
            std::thread::park();
        }
    }
    if server().is_none() {
        return;
    }
    let mut child = play("nothing_is_left_of_a_server_whose_test_was_killed", "be killed")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let name = lines
        .map(|line| line.expect("the child says the name"))
        .find(|line| line.starts_with("pg_durable-test-"))
        .expect("the child says the name");
    assert!(is_there(&name));
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    until("the container goes", || !is_there(&name));
}

#[test]
fn an_image_that_is_missing_is_named() {
    let Some(_) = server() else { return };
    let error =
        ContainerServer::builder().image("pg_durable:no-such-tag").start().expect_err("there is none");
    assert!(matches!(&error, TestServerError::ImageMissing { image } if image == "pg_durable:no-such-tag"));
    assert!(error.to_string().contains("cargo xtask image"), "{error}");
}

#[test]
fn an_engine_that_does_not_answer_is_told() {
    if let Some("find no engine") = part().as_deref() {
        let error = TestServer::container().expect_err("nobody answers there");
        assert!(matches!(error, TestServerError::NoEngine { .. }), "{error:?}");
        assert!(error.to_string().contains("DOCKER_HOST"), "{error}");
        return;
    }
    for nobody in ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"] {
        let mut child = play("an_engine_that_does_not_answer_is_told", "find no engine");
        let output = child.env("DOCKER_HOST", nobody).output().expect("it runs");
        assert!(output.status.success(), "{nobody}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

/// A server with the extension created in `postgres`; `None`, said aloud, where containers are not to be had.
fn server() -> Option<ContainerServer> {
    if let Ok(reason) = env::var("PG_DURABLE_NO_CONTAINER") {
        skip(&reason);
        return None;
    }
    let is_required = env::var(IMAGE_VARIABLE).is_ok_and(|image| !image.is_empty());
    match TestServer::container() {
        Ok(server) => {
            server.psql("postgres", "CREATE EXTENSION pg_durable").expect("the extension is created");
            Some(server)
        }
        Err(error @ (TestServerError::NoEngine { .. } | TestServerError::ImageMissing { .. }))
            if !is_required =>
        {
            skip(&error.to_string());
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

fn skip(reason: &str) {
    // Not through a macro, whose output the test runner keeps to itself.
    let _ = writeln!(io::stderr(), "skipped a test with containers: {reason}");
}

fn is_there(name: &str) -> bool {
    let inspect = Command::new("docker")
        .args(["container", "inspect", name])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    inspect.expect("docker runs").success()
}

fn part() -> Option<String> {
    env::var(PART_VARIABLE).ok()
}

/// This program with one of its tests, in another part.
fn play(test: &str, part: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("it has a name"));
    command.args(["--exact", test, "--nocapture"]).env(PART_VARIABLE, part);
    command
}

fn in_runtime(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("the test hangs") });
}

#[track_caller]
fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
