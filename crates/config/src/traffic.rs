//! MLflow 3's routes, which split their traffic over endpoints.

use std::collections::HashMap;

use lockgate_dialects::canonical::Operation;

use crate::check::Check;
use crate::model::{Route, Share, Style};
use crate::node::Node;
use crate::read;
use crate::routes::{Common, name, operation_of, otherwise, parameters};
use crate::written::{Destination, Traffic};
use crate::{allowance, server};

/// Whether a `routes` list is MLflow 3's: an element has destinations, or at least a task type.
pub(crate) fn is_split(list: &Node) -> bool {
    let new = |element: &Node| {
        ["destinations", "task_type", "routing_strategy"].iter().any(|key| element.get(key).is_some())
    };
    list.elements().is_some_and(|elements| elements.iter().any(new))
}

/// Checks the list; `endpoints` are those that are in order, `written` all of them.
pub(crate) fn check(
    check: &Check<'_>,
    (_, list): &(Node, Node),
    written: &Node,
    endpoints: &[Route],
    common: &Common<'_>,
) -> Vec<Route> {
    let known: HashMap<&str, Option<&Route>> = written
        .elements()
        .unwrap_or_default()
        .iter()
        .filter_map(|element| element.get("name")?.text())
        .map(|name| (name, endpoints.iter().find(|route| route.name == name)))
        .collect();
    let elements = list.elements().unwrap_or_default();
    elements.iter().filter_map(|element| route(check, element, &known, common)).collect()
}

fn route(
    check: &Check<'_>,
    node: &Node,
    endpoints: &HashMap<&str, Option<&Route>>,
    common: &Common<'_>,
) -> Option<Route> {
    let traffic: Traffic = read::read(node, check.notes)?;
    let name = name(check, node, &traffic.name);
    if !traffic.task_type.written {
        check.notes.missing(node, None, "task_type", &["type", "route_type", "endpoint_type"]);
    }
    if !traffic.destinations.written {
        check.notes.missing(node, None, "destinations", &[]);
    }
    let operation = operation_of(check, &traffic.task_type);
    let label = name.clone().unwrap_or_default();
    let destinations = traffic.destinations.value.unwrap_or_default();
    let nodes = node.get("destinations").and_then(Node::elements).unwrap_or_default();
    let mut targets = Vec::new();
    let mut sum = Some(0);
    for (destination, node) in destinations.iter().zip(nodes) {
        let Some(destination) = &destination.value else {
            sum = None;
            continue;
        };
        targets.extend(share(check, node, destination, endpoints, &label, operation));
        sum = sum
            .zip(destination.traffic_percentage.value)
            .map(|(sum, share)| i64::saturating_add(sum, share.0));
    }
    if traffic.destinations.written && sum.is_some_and(|sum| sum != 100) {
        let message = format!(
            "For each route configuration, the traffic percentage sum of destinations must be 100, but got invalid \
             configuration of route '{label}'."
        );
        check.notes.mistake(traffic.destinations.key.clone(), message);
    }
    let timeouts =
        server::timeouts(check, traffic.timeouts.value.as_ref().and_then(Option::as_ref), common.timeouts);
    let (name, operation) = (name?, operation?);
    Some(Route {
        name,
        run_time: false,
        line: check.line(node.span.start),
        style: Style::Traffic,
        operation,
        targets,
        limit: None,
        limits: allowance::check(check, node),
        defaults: parameters(common.defaults, operation, traffic.defaults.value.flatten()),
        forced: traffic.forced.value.flatten().unwrap_or_default(),
        timeouts,
        on_loss: otherwise(&traffic.on_loss, &common.defaults.on_loss),
        usage: otherwise(&traffic.usage, &common.defaults.usage),
    })
}

/// A destination with its weight.
fn share(
    check: &Check<'_>,
    node: &Node,
    destination: &Destination,
    endpoints: &HashMap<&str, Option<&Route>>,
    route: &str,
    operation: Option<Operation>,
) -> Option<Share> {
    for (key, written) in
        [("name", destination.name.written), ("traffic_percentage", destination.traffic_percentage.written)]
    {
        if !written {
            check.notes.missing(node, None, key, &[]);
        }
    }
    let weight = destination.traffic_percentage.value.and_then(|share| {
        let weight = u32::try_from(share.0).ok().filter(|weight| *weight <= 100);
        if weight.is_none() {
            let span = destination.traffic_percentage.span.clone();
            check.notes.mistake(span, "The route destination traffic percentage must between 0 and 100.");
        }
        weight
    });
    let name = destination.name.value.as_deref()?;
    let Some(endpoint) = endpoints.get(name) else {
        let message = format!(
            "The route destination name must be a endpoint name, but the route '{route}' has an invalid destination \
             name '{name}'."
        );
        check.notes.mistake(destination.name.span.clone(), message);
        return None;
    };
    let endpoint = (*endpoint)?;
    if let Some(operation) = operation
        && operation != endpoint.operation
    {
        let message = format!(
            "The route destination endpoint types in the route '{route}' must have endpoint type '{}' but got endpoint \
             type '{}'.",
            operation.route_type(),
            endpoint.operation.route_type()
        );
        check.notes.mistake(destination.name.span.clone(), message);
    }
    let target = endpoint.targets.first()?.target.clone();
    weight.map(|weight| Share { target, weight })
}
