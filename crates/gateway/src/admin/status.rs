//! `/status`: what serves, for people, and as JSON with `?format=json`. No key, no URL, no header.

use super::{Ask, reply};
use crate::redact::redact;
use crate::snapshot::{Route, Target};
use crate::sources::Away;
use bytes::Bytes;
use http::{Response, StatusCode};
use lockgate_config::{ModelFacts, NotServed, Style};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// What the page tells.
struct Status {
    uptime: Duration,
    draining: bool,
    /// Why the file on disk is refused, and since when in Unix seconds.
    refused: Option<(String, u64)>,
    /// Sources of credentials whose last good value is used.
    away: Arc<Vec<Away>>,
    /// Routes that were made at run time and do not serve.
    not_served: Arc<NotServed>,
}

pub(super) fn answer(ask: &Ask<'_>) -> Response<Bytes> {
    let status = Status {
        uptime: ask.gateway.started.elapsed(),
        draining: ask.gateway.draining(),
        refused: ask
            .gateway
            .refused()
            .map(|refused| (redact(&refused.message, &[]).into_owned(), refused.since_unix)),
        away: ask.gateway.away(),
        not_served: ask.gateway.not_served(),
    };
    let as_json = ask.query.unwrap_or_default().split('&').any(|pair| pair == "format=json");
    if as_json {
        reply::json(StatusCode::OK, &object(ask, &status))
    } else {
        reply::html(page(ask, &status), POLICY)
    }
}

fn object(ask: &Ask<'_>, status: &Status) -> Value {
    let refused =
        status.refused.as_ref().map(|(message, since)| json!({ "message": message, "since_unix": since }));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": status.uptime.as_secs(),
        "draining": status.draining,
        "generation": ask.view.snapshot.generation,
        "config_hash": ask.view.snapshot.hash,
        "refused": refused,
        "credentials_stale": status.away.iter().map(away_object).collect::<Vec<_>>(),
        "run_time": run_time_object(&status.not_served),
        "routes": ask.view.routes().map(|route| route_object(route)).collect::<Vec<_>>(),
    })
}

fn away_object(away: &Away) -> Value {
    json!({ "source": away.source, "reason": away.reason, "since_unix": away.since_unix })
}

fn run_time_object(not_served: &NotServed) -> Value {
    let clean = |text: &str| redact(text, &[]).into_owned();
    let refused = not_served.refused.iter();
    json!({
        "damaged": not_served.damaged.as_deref().map(clean),
        "refused": refused.map(|refused| json!({ "name": refused.name, "reason": clean(&refused.why) })).collect::<Vec<_>>(),
        "shadowed": not_served.shadowed,
    })
}

fn origin(route: &Route) -> &'static str {
    if route.run_time { "run time" } else { "config" }
}

fn route_object(route: &Route) -> Value {
    let target = |(weight, target): (u32, &Arc<Target>)| {
        let mut object = json!({ "provider": target.provider, "model": target.model, "weight": weight });
        if target.facts != ModelFacts::default() {
            object["facts"] = serde_json::to_value(&target.facts).unwrap_or_default();
        }
        object
    };
    json!({
        "name": route.name,
        "type": route.operation.route_type(),
        "origin": origin(route),
        "paths": paths(route),
        "targets": route.shares().map(target).collect::<Vec<_>>(),
        "limit": route.limit.as_ref().map(|limit| &limit.text),
    })
}

/// Where a route is called by its name; `/v1` takes all of them by `model`.
fn paths(route: &Route) -> Vec<String> {
    let classic = format!("/gateway/{}/invocations", route.name);
    let newer = format!("/endpoints/{}/invocations", route.name);
    if route.style == Style::Classic { vec![classic, newer] } else { vec![newer, classic] }
}

fn page(ask: &Ask<'_>, status: &Status) -> String {
    let mut page = String::with_capacity(4096 + 256 * ask.view.snapshot.routes.len());
    page.push_str(HEAD);
    say(&mut page, status);
    let scheme = if ask.tls { "https" } else { "http" };
    let facts = [
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("Up for", spoken(status.uptime)),
        ("Config", format!("{}, generation {}", ask.view.snapshot.hash, ask.view.snapshot.generation)),
        (
            "OpenAI clients",
            ask.host
                .filter(|host| is_host(host))
                .map_or("/v1".to_owned(), |host| format!("{scheme}://{host}/v1")),
        ),
    ];
    page.push_str("<dl>");
    for (name, value) in facts {
        let _ = write!(page, "<dt>{name}</dt><dd>{}</dd>", escaped(&value));
    }
    page.push_str("</dl><table><thead><tr><th>Route</th><th>Made</th><th>Type</th><th>Answered by</th><th>Limit</th><th>Path</th></tr></thead><tbody>");
    for route in ask.view.routes() {
        row(&mut page, route);
    }
    page.push_str("</tbody></table><p>");
    page.push_str(LINKS);
    page.push_str("</p></body></html>\n");
    page
}

fn say(page: &mut String, status: &Status) {
    if status.draining {
        page.push_str("<p class=\"warn\">Draining: what is in flight ends, nothing new should come.</p>");
    }
    match &status.refused {
        None => page.push_str("<p class=\"good\">The config is current.</p>"),
        Some((message, since)) => {
            let ago = ago(*since);
            let _ = write!(
                page,
                "<p class=\"warn\">The config on disk is refused since {ago}; the one before it serves.</p><pre>{}</pre>",
                escaped(message)
            );
        }
    }
    for Away { source, reason, since_unix } in status.away.iter() {
        let _ = write!(
            page,
            "<p class=\"warn\">A credential's last good value is used, for its source is away since {}: {} ({}).</p>",
            ago(*since_unix),
            escaped(source),
            escaped(reason)
        );
    }
    say_not_served(page, &status.not_served);
}

fn say_not_served(page: &mut String, not_served: &NotServed) {
    let mut say = |what: &str, why: &str| {
        let why = escaped(&redact(why, &[]));
        let _ = write!(page, "<p class=\"warn\">{}</p><pre>{why}</pre>", escaped(what));
    };
    if let Some(why) = &not_served.damaged {
        say("The file of the routes that were made at run time is damaged; none can be changed.", why);
    }
    for refused in &not_served.refused {
        say(&format!("The route '{}' was made at run time and does not serve.", refused.name), &refused.why);
    }
    for name in &not_served.shadowed {
        say(
            &format!("The route '{name}' was made at run time and does not serve."),
            "The config file defines it, too.",
        );
    }
}

/// How long something has been so.
fn ago(since_unix: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    spoken(now.saturating_sub(Duration::from_secs(since_unix)))
}

fn row(page: &mut String, route: &Route) {
    let target = |(weight, target): (u32, &Arc<Target>)| {
        let model = target.model.as_deref().unwrap_or("no model name");
        let share = if weight == 100 { String::new() } else { format!("{weight} % ") };
        let named = escaped(&format!("{share}{} / {model}", target.provider));
        format!("{named}{}", known(&target.facts))
    };
    let _ = write!(
        page,
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
        escaped(&route.name),
        if route.run_time { "at run time" } else { "in the config" },
        route.operation.route_type(),
        route.shares().map(target).collect::<Vec<_>>().join("<br>"),
        escaped(route.limit.as_ref().map_or("", |limit| &limit.text)),
        escaped(&paths(route)[0]),
    );
}

/// What is known of a model, in small letters.
fn known(facts: &ModelFacts) -> String {
    let rates = facts.prices.as_ref().map(|prices| prices.base).unwrap_or_default();
    let all = [
        facts.max_input_tokens.map(|tokens| format!("reads {} tokens", in_thousands(tokens))),
        facts.max_output_tokens.map(|tokens| format!("answers {} tokens", in_thousands(tokens))),
        rates.input.map(|price| format!("${price} in")),
        rates.output.map(|price| format!("${price} out per million")),
    ];
    let all: Vec<_> = all.into_iter().flatten().collect();
    if all.is_empty() { String::new() } else { format!("<br><small>{}</small>", all.join(", ")) }
}

/// A number with its thousands apart.
fn in_thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(" ")
}

/// The two greatest units of a duration.
fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A name or address with a port: clients write the `host` header as they like.
fn is_host(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    !host.is_empty() && host.len() <= 255 && host.bytes().all(allowed)
}

/// `text` as it may stand in HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

const LINKS: &str = "<a href=\"/docs\">API documentation</a> · <a href=\"/metrics\">Metrics</a> · \
    <a href=\"/status?format=json\">This page as JSON</a>";

const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>lockgate status</title><link rel="icon" href="/favicon.ico">
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; }
dt { opacity: .7; } dd { margin: 0; } table { border-collapse: collapse; width: 100%; margin: 1.5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; }
pre { overflow-x: auto; padding: 1rem; background: #8882; }
.good { color: #1a7f37; } .warn { color: #b35900; font-weight: 600; }
</style></head><body><h1>lockgate</h1>
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::sample;
    use crate::gateway::Gateway;
    use crate::reload::Refused;
    use lockgate_config::{Price, Prices, Rates};
    use lockgate_dialects::canonical::Operation;

    fn gateway() -> Gateway {
        let target = sample::target("openai", Some("<gpt>"));
        Gateway::new(sample::snapshot(1, vec![sample::to("chat", Style::Classic, Operation::Chat, &target)]))
    }

    fn shown(gateway: &Gateway, query: Option<&str>, host: &str) -> String {
        let view = crate::view::View::whole(gateway.snapshot());
        let ask = Ask { query, host: Some(host), ..sample::ask(gateway, &view) };
        let reply = answer(&ask);
        String::from_utf8(reply.into_body().to_vec()).expect("UTF-8")
    }

    #[test]
    fn the_page_shows_the_routes_and_nothing_that_runs_in_a_browser() {
        let page = shown(&gateway(), None, "gate.example:5000");
        assert!(
            page.contains("openai / &lt;gpt&gt;") && page.contains("http://gate.example:5000/v1"),
            "{page}"
        );
        let page = shown(&gateway(), None, "\"><script>alert(1)</script>");
        assert!(!page.contains("<script"), "{page}");
    }

    #[test]
    fn a_refused_file_is_told_without_its_keys() {
        let gateway = gateway();
        let message = "config.yaml:3: openai_apikey: sk-canary-123456 is not a key".to_owned();
        gateway.refuse(Refused { message, since_unix: 1 });
        for page in [shown(&gateway, None, "h"), shown(&gateway, Some("format=json"), "h")] {
            assert!(page.contains("config.yaml:3") && !page.contains("canary"), "{page}");
        }
    }

    #[test]
    fn a_source_that_is_away_is_told_by_its_name() {
        let gateway = gateway();
        let away =
            |source: &str| Away { source: source.to_owned(), reason: "<gone>".to_owned(), since_unix: 1 };
        gateway.set_away(vec![away("the command 'vault'")]);
        let page = shown(&gateway, None, "h");
        assert!(page.contains("the command &#39;vault&#39; (&lt;gone&gt;)"), "{page}");
        let status: Value = serde_json::from_str(&shown(&gateway, Some("format=json"), "h")).expect("JSON");
        assert_eq!(
            status["credentials_stale"],
            json!([{"source": "the command 'vault'", "reason": "<gone>", "since_unix": 1}])
        );
        assert!(gateway.metrics.text().contains("lockgate_credentials_stale 1"));
        gateway.set_away(Vec::new());
        assert!(!shown(&gateway, None, "h").contains("vault"));
        assert!(gateway.metrics.text().contains("lockgate_credentials_stale 0"));
    }

    #[test]
    fn programs_read_the_same_as_json() {
        let gateway = gateway();
        gateway.drain();
        let status: Value =
            serde_json::from_str(&shown(&gateway, Some("x=1&format=json"), "h")).expect("JSON");
        assert_eq!((&status["draining"], &status["generation"]), (&json!(true), &json!(1)));
        assert_eq!((&status["config_hash"], &status["refused"]), (&json!("hash1"), &Value::Null));
        assert_eq!(
            status["routes"][0]["targets"][0],
            json!({"provider": "openai", "model": "<gpt>", "weight": 100})
        );
    }

    #[test]
    fn what_is_known_of_a_model_is_told_beside_it() {
        let facts = ModelFacts {
            max_input_tokens: Some(1_048_576),
            prices: Some(Prices {
                base: Rates {
                    input: Some(Price(75_000)),
                    output: Some(Price(3_000_000)),
                    ..Rates::default()
                },
                above: Vec::new(),
            }),
            ..ModelFacts::default()
        };
        let target =
            Arc::new(lockgate_config::Target { facts, ..(*sample::target("openai", Some("m"))).clone() });
        let routes = vec![sample::to("chat", Style::Classic, Operation::Chat, &target)];
        let gateway = Gateway::new(sample::snapshot(1, routes));
        let page = shown(&gateway, None, "h");
        assert!(page.contains("reads 1 048 576 tokens, $0.075 in, $3 out per million"), "{page}");
        let status: Value = serde_json::from_str(&shown(&gateway, Some("format=json"), "h")).expect("JSON");
        assert_eq!(
            status["routes"][0]["targets"][0]["facts"],
            json!({"max_input_tokens": 1_048_576, "prices": {"input": 0.075, "output": 3.0}})
        );
    }

    #[test]
    fn a_long_run_is_told_in_two_units() {
        let told = [(59, "59 s"), (61, "1 min 1 s"), (3_660, "1 h 1 min"), (90_000, "1 d 1 h")];
        for (seconds, text) in told {
            assert_eq!(spoken(Duration::from_secs(seconds)), text);
        }
    }
}
