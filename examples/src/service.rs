//! A web service in front of the order workflow: it starts, signals and follows runs, and keeps no state of its own.
//!
//! | Request | |
//! |---|---|
//! | `POST /orders` `{"sku", "qty"}` | writes the order and starts its workflow, in one transaction |
//! | `GET /orders/{run}` | how far it is, and its receipt at the end |
//! | `POST /orders/{run}/approval` `{"approved", "by"}` | the answer that it waits for |
//! | `GET /orders/{run}/events` | its changes as server-sent events, until it has ended |

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use deadpool_postgres::{Pool, PoolError};
use futures_util::{Stream, StreamExt};
use pg_durable_sdk::{Change, Client, InstanceId, ResultError, RunError, SignalError, StartError, Status};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;

use crate::order_approval::{Approval, Order, Receipt, fulfil};

/// The service over a pool of connections, which its workflows use, too.
pub fn router(pool: Pool) -> Router {
    let client = Client::from_pool(pool.clone());
    Router::new()
        .route("/orders", post(place))
        .route("/orders/{run}", get(show))
        .route("/orders/{run}/approval", post(answer))
        .route("/orders/{run}/events", get(events))
        .with_state(Service { pool, client })
}

#[derive(Clone)]
struct Service {
    pool: Pool,
    client: Client,
}

#[derive(Deserialize)]
struct Wanted {
    sku: String,
    qty: i32,
}

#[derive(Serialize)]
struct Placed {
    order: i64,
    run: String,
}

/// The order and its workflow exist both or neither, and no message has to be sent in between.
async fn place(
    State(service): State<Service>,
    Json(Wanted { sku, qty }): Json<Wanted>,
) -> Result<(StatusCode, Json<Placed>), Problem> {
    let mut session = service.pool.get().await?;
    let tx = session.transaction().await?;
    let insert = "INSERT INTO shop.orders (sku, qty) VALUES ($1, $2) RETURNING id";
    let id = tx.query_one(insert, &[&sku, &qty]).await?.get(0);
    let run: InstanceId = service.client.start(fulfil, Order { id, sku, qty }).start_in(&tx).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(Placed { order: id, run: run.to_string() })))
}

async fn show(State(service): State<Service>, Path(run): Path<String>) -> Result<Json<Value>, Problem> {
    let run = service.client.run(run).returns::<Receipt>();
    let status = run.status().await?;
    let receipt = if status == Status::Completed { Some(run.result().await?) } else { None };
    Ok(Json(json!({ "status": status.to_string(), "receipt": receipt })))
}

async fn answer(
    State(service): State<Service>,
    Path(run): Path<String>,
    Json(approval): Json<Approval>,
) -> Result<StatusCode, Problem> {
    service.client.run(run).signal("approval", &approval).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The last event is a status after which nothing follows; a browser would connect again unless it closes then.
async fn events(
    State(service): State<Service>,
    Path(run): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, axum::Error>>>, Problem> {
    let run = service.client.run(run);
    // Who asks for a run that there is not gets a 404 instead of a stream.
    run.status().await?;
    let changes = run.watch().map(|change| match change {
        Ok(Change::Status(status)) => Ok(Event::default().event("status").data(status.to_string())),
        Ok(Change::Node(node)) => Event::default().event("step").json_data(json!({
            "node": node.id, "type": node.node_type, "state": node.state.as_str(), "waiting_for": node.waiting_for,
        })),
        Ok(_) => Ok(Event::default().comment("something new")),
        Err(error) => Err(axum::Error::new(error)),
    });
    Ok(Sse::new(changes).keep_alive(KeepAlive::default()))
}

/// What a request is answered with when it cannot be done.
struct Problem(StatusCode, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// The rest is ours, and may be over soon.
fn unavailable(error: impl std::error::Error) -> Problem {
    Problem(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        match error {
            RunError::UnknownInstance(_) => Problem(StatusCode::NOT_FOUND, error.to_string()),
            other => unavailable(other),
        }
    }
}

impl From<SignalError> for Problem {
    fn from(error: SignalError) -> Self {
        match error {
            SignalError::UnknownInstance(_) => Problem(StatusCode::NOT_FOUND, error.to_string()),
            SignalError::Terminal(_) => Problem(StatusCode::CONFLICT, error.to_string()),
            other => unavailable(other),
        }
    }
}

impl From<tokio_postgres::Error> for Problem {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(&SqlState::FOREIGN_KEY_VIOLATION) => {
                Problem(StatusCode::UNPROCESSABLE_ENTITY, "there is no such article".to_owned())
            }
            Some(&SqlState::CHECK_VIOLATION) => {
                Problem(StatusCode::UNPROCESSABLE_ENTITY, "the quantity is at least 1".to_owned())
            }
            _ => unavailable(error),
        }
    }
}

impl From<ResultError> for Problem {
    fn from(error: ResultError) -> Self {
        unavailable(error)
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        unavailable(error)
    }
}

impl From<PoolError> for Problem {
    fn from(error: PoolError) -> Self {
        unavailable(error)
    }
}
