//! Nothing claims to work and does not. When the disk works and time passes, every flow takes in
//! all there is.

use model::flow::state::FlowState;

use super::server::Server;

/// What is left to do; nothing once every flow has taken in all that there is.
pub(super) async fn left_to_do(server: &Server) -> Option<String> {
    for query in server.queries().await {
        let done = query.behind == Some(0) && query.open_windows == 0;
        if !done || query.state != FlowState::Running {
            return Some(format!("query {} is {:?}: {query:?}", query.name, query.state));
        }
    }
    for delivery in server.deliveries().await {
        if delivery.behind != Some(0) || delivery.state != FlowState::Running {
            return Some(format!("delivery {} is {:?}: {delivery:?}", delivery.name, delivery.state));
        }
    }
    None
}
