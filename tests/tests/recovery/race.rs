//! Branches that end at the same moment.

use super::cluster::{self, Client};

#[test]
fn loser_that_fails_as_the_race_is_decided_does_not_fail_the_instance() {
    let server = cluster::start(cluster::builder().setting("track_commit_timestamp", "on"), &["alice"]);
    let (admin, alice) = (Client::new(&server, "postgres"), Client::new(&server, "alice"));
    let mut ids = Vec::new();
    for number in 0..60 {
        // Around the moment at which the other branch commits.
        let fails_after = 0.010 + 0.0005 * f64::from(number);
        let graph = format!(
            "df.seq(df.race('SELECT pg_sleep(0.025)', 'SELECT 1 / 0 FROM pg_sleep({fails_after})'), 'SELECT 2')"
        );
        ids.push(alice.start(&graph, &format!("race-{number}"), "barrier"));
        if number % 4 == 3 {
            for id in ids.drain(..) {
                let status = alice.end_of(&id);
                assert!(status == "completed" || status == "failed", "{status}");
            }
        }
    }
    // The other way round is right: the winner was about to commit when the instance failed.
    let torn = "SELECT count(*) FROM df.instances AS i JOIN df.nodes AS n ON n.instance_id = i.id
                WHERE n.node_type = 'RACE' AND n.status = 'completed' AND i.status = 'failed'
                  AND pg_xact_commit_timestamp(n.xmin) <= pg_xact_commit_timestamp(i.xmin)";
    assert_eq!(admin.value(torn), "0");
}

#[test]
fn inner_join_goes_on_while_a_branch_beside_it_waits() {
    let server = cluster::start(cluster::builder(), &["alice"]);
    let alice = Client::new(&server, "alice");
    // The two inner branches end together, each without knowing of the other, while the outer one is just beginning
    // to wait for what comes after them.
    for number in 0..20 {
        let graph = "df.join(
            df.seq(df.join('SELECT pg_sleep(0.02)', 'SELECT pg_sleep(0.02)'),
                   'SELECT df.signal(''{sys_instance_id}'', ''go'')'),
            df.seq('SELECT pg_sleep(0.02)', df.wait_for_signal('go')))";
        let id = alice.start(graph, &format!("join-{number}"), "barrier");
        assert_eq!(alice.end_of(&id), "completed");
    }
}

#[test]
fn loser_of_a_race_runs_again_in_the_next_generation_of_the_loop() {
    let server = cluster::start(cluster::builder(), &["alice"]);
    let alice = Client::new(&server, "alice");
    // The branch that loses in one generation has to be there in the next, which follows at once: every tenth time it
    // is the one that wins.
    let branch = |wins: &str| {
        format!(
            "'SELECT pg_sleep(CASE WHEN count(*) % 10 {wins} THEN 0 ELSE 600 END)
              FROM public.effects WHERE instance = ''{{sys_instance_id}}'''"
        )
    };
    let graph = format!(
        "df.loop(
             df.seq('INSERT INTO public.effects (instance, node) VALUES (''{{sys_instance_id}}'', ''pass'')',
                    df.race({}, {})),
             'SELECT count(*) < 100 FROM public.effects WHERE instance = ''{{sys_instance_id}}''')",
        branch("<> 0"),
        branch("= 0")
    );
    let ids: Vec<_> =
        (0..4).map(|number| alice.start(&graph, &format!("loop-{number}"), "barrier")).collect();
    for id in ids {
        assert_eq!(alice.end_of(&id), "completed", "{}", alice.state());
    }
    assert_eq!(alice.value("SELECT count(*) FROM public.effects"), "400");
}
