//! Input, bound values and registrations, through kills.

use super::cluster::{self, Client};

#[test]
fn input_bound_values_and_versions_survive_a_killed_server() {
    let server = cluster::start(cluster::builder(), &["owner", "caller"]);
    let (owner, caller) = (Client::new(&server, "owner"), Client::new(&server, "caller"));
    let steps = "('SELECT $input.id AS id, pg_sleep(1.5)' |=> 'a')
        ~> (df.wait_for_signal('go') |=> 's')
        ~> df.sql('INSERT INTO public.effects (instance, node) VALUES (''{sys_instance_id}'', $1) RETURNING $a.id + $2 AS n, $s.data.by.name AS by, $input.tags AS tags, current_user AS who', '[\"kept\", 0.5]')";
    let register = format!("SELECT df.register('kept', {steps}, run_as => 'owner')");
    assert_eq!(owner.value(&register), "1");
    owner.value("SELECT df.grant_run('kept', 'caller')");
    let id = caller.value(r#"SELECT df.run('kept', '{"id": 7, "tags": ["x"]}')"#);
    owner.until(&format!("SELECT count(*) = 1 FROM df.workers() WHERE instance_id = '{id}'"));
    server.kill_postmaster().expect("all processes leave with the postmaster");
    server.start_again().expect("the server starts again");
    // Meanwhile the name means something else.
    assert_eq!(owner.value("SELECT df.register('kept', 'SELECT ''other''')"), "2");
    caller.value(&format!(r#"SELECT df.signal('{id}', 'go', '{{"by": {{"name": "Ann"}}}}')"#));
    assert_eq!(caller.end_of(&id), "completed", "{}", owner.state());
    assert_eq!(
        caller.value(&format!("SELECT df.result('{id}')::jsonb -> 'rows' -> 0")),
        r#"{"n": 7.5, "by": "Ann", "who": "owner", "tags": ["x"]}"#
    );
    assert_eq!(
        owner
            .value(&format!("SELECT count(*) FROM public.effects WHERE instance = '{id}' AND node = 'kept'")),
        "1"
    );
    assert_eq!(owner.value(&register), "3");
}
