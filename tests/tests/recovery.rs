//! What survives: kills of every process at every moment, dumps, drops, promotions, full disks.
//!
//! Every workflow here writes what it does into one table, and the tests count.

mod recovery {
    mod campaign;
    mod cancel;
    mod cluster;
    mod conflict;
    mod cpu;
    mod death;
    mod events;
    mod fairness;
    mod fence;
    mod flat;
    mod flow;
    mod held;
    mod kinds;
    mod lifecycle;
    mod race;
    mod registered;
    mod standby;
    mod storing;
    mod undone;
    mod waits;
}
