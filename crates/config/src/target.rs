//! A route's `model`: which provider answers, and how it is called.

use lockgate_dialects::ModelTraits;
use lockgate_dialects::canonical::Operation;

use crate::catalogue::{HowTo, Models, Named, Provider, fits, listed, told};
use crate::check::Check;
use crate::headers;
use crate::model::{Api, Header, HttpService, Service, Target};
use crate::models::{Ability, ModelFacts};
use crate::node::{Content, Node};
use crate::notes::Note;
use crate::refusal::Refusal;
use crate::run_time;
use crate::settings::{self, Settings};
use crate::suggest::closest;
use crate::template::{self, fill_encoded, join};
use crate::values::Plain;
use crate::written::{ApiChoice, Entry, Model};

/// Checks the model of an entry, whose node is `node`; what is wrong is noted.
pub(crate) fn check(
    check: &Check<'_>,
    node: &Node,
    entry: &Entry,
    operation: Option<Operation>,
) -> Option<Target> {
    check.used.take();
    let extra = headers::extra(check, node.get("headers"));
    let Some(written) = &entry.model.value else {
        if !entry.model.written {
            check.notes.missing(node, None, "model", &[]);
        }
        return None;
    };
    let node = node.get("model")?;
    let named = provider(check, node, entry, written)?;
    let settings = settings::check(check, node, entry, &named);
    let model = written.name.value.clone().flatten();
    if let Some(operation) = operation {
        model_name(check, entry, named.provider, operation, model.as_deref());
    }
    let choice = written.api.value.flatten();
    let settings = settings?;
    keys_in_url(check, entry, named.provider, &settings);
    run_time::check_base(check, &entry.model.key, named.provider, &settings, check.used.take());
    let facts = check.models.of(&named, settings.variant, model.as_deref().unwrap_or_default());
    let asked = Asked { operation: operation?, model: model.as_deref(), facts: &facts, choice };
    let mut service = service(named.provider, &settings, asked, extra);
    if let Service::Http(http) = &mut service
        && let Some(api) = &mut http.api
    {
        api.public_only = check.guard.is_some_and(|guard| !guard.private_addresses);
        if let Some(beyond) = &mut api.beyond_mlflow {
            beyond.public_only = api.public_only;
        }
    }
    if settings.brought && !matches!(&service, Service::Http(http) if !http.brought.is_empty()) {
        let message = "This provider takes no credential in a header, so callers cannot bring theirs";
        check.notes.mistake(entry.credentials.span.clone(), message);
    }
    warn(check, written, named.provider, &service);
    let display = named.provider.display.as_ref().unwrap_or(&named.provider.name).clone();
    Some(Target { provider: named.canonical.to_owned(), display, model, facts, service })
}

/// The provider that the model names.
fn provider<'a>(check: &Check<'a>, node: &Node, entry: &Entry, written: &Model) -> Option<Named<'a>> {
    let Some(value) = &written.provider.value else {
        if node.get("config").is_some_and(|config| !matches!(config.content, Content::Null)) {
            let message = "A provider must be provided for each gateway route.";
            check.notes.mistake(entry.model.key.clone(), message);
        } else {
            check.notes.missing(node, Some(&entry.model.key), "provider", &[]);
        }
        return None;
    };
    let (Plain::Text(label) | Plain::Other(label)) = value;
    let named = match value {
        Plain::Text(name) => check.catalogue.find(name),
        Plain::Other(_) => None,
    };
    if named.is_none() {
        let note =
            Note::mistake(written.provider.span.clone(), format!("The provider '{label}' is not supported."));
        check.notes.add(match closest(label, check.catalogue.names()) {
            Some(meant) => note.hint(format!("did you mean `{meant}`?")),
            None => note,
        });
    }
    named
}

/// Notes a model name that the provider's routes cannot have.
fn model_name(
    check: &Check<'_>,
    entry: &Entry,
    provider: &Provider,
    operation: Operation,
    name: Option<&str>,
) {
    let Some(model) = &entry.model.value else { return };
    for rule in &provider.model_names {
        let concerned = rule.operation.as_deref().is_none_or(|word| word == operation.mlflow_word());
        let fits = |name: &str| {
            let name = if rule.ignore_case { name.to_lowercase() } else { name.to_owned() };
            listed(&rule.only, &name)
        };
        if concerned && !name.is_some_and(fits) {
            let at = if model.name.written { &model.name.span } else { &entry.model.key };
            check.notes.mistake(at.clone(), rule.message.replace("{value}", name.unwrap_or("None")));
        }
    }
}

/// Warns of a route that loads, as it does in MLflow, but cannot be called.
fn warn(check: &Check<'_>, written: &Model, provider: &Provider, service: &Service) {
    let span = written.provider.span.clone();
    match service {
        Service::Unavailable { reason } => {
            check.notes.warning(span, format!("{reason} The route is listed, and calls of it answer 501."));
        }
        Service::Http(http) if http.api.is_none() => {
            let name = provider.display.as_ref().unwrap_or(&provider.name);
            check
                .notes
                .warning(span, format!("{name} does not have what this route asks; calls of it will fail"));
        }
        _ => {}
    }
}

/// What a route asks, and of which model.
#[derive(Clone, Copy)]
struct Asked<'a> {
    operation: Operation,
    model: Option<&'a str>,
    facts: &'a ModelFacts,
    choice: Option<ApiChoice>,
}

/// How the target is called.
fn service(provider: &Provider, settings: &Settings<'_>, asked: Asked<'_>, extra: Vec<Header>) -> Service {
    if let Some(reason) = &provider.unavailable {
        return Service::Unavailable { reason: reason.clone() };
    }
    if provider.in_process {
        return Service::Demo(settings.raw.clone());
    }
    let named = ask(provider, asked).is_some_and(|(_, how, _)| how.names_model());
    if named && asked.model.is_none_or(str::is_empty) {
        let provider = provider.display.as_ref().unwrap_or(&provider.name);
        return Service::Unavailable {
            reason: format!("{provider}'s URL names the model, so the route needs a `name`."),
        };
    }
    let signing = match &settings.signing {
        Ok(signing) => signing.clone().map(Box::new),
        Err(reason) => return Service::Unavailable { reason: reason.clone() },
    };
    let brought = headers::brought(provider, settings, &extra);
    let each = settings.each_key();
    let header_sets = each.iter().map(|settings| headers::all(provider, settings, extra.clone()));
    match header_sets.collect() {
        Ok(header_sets) => {
            let api = api(provider, settings, asked);
            Service::Http(Box::new(HttpService { api, header_sets, brought, signing }))
        }
        Err(reason) => Service::Unavailable { reason },
    }
}

/// Notes several keys of a provider that wants its key in the URL: there is one URL, and keys take turns in headers.
fn keys_in_url(check: &Check<'_>, entry: &Entry, provider: &Provider, settings: &Settings<'_>) {
    let operations = &provider.operations;
    let paths = Operation::ALL.into_iter().filter_map(|operation| operations.of(operation));
    let paths = paths.flat_map(HowTo::paths);
    let prefix = settings.variant.and_then(|variant| variant.prefix.as_ref());
    let parts = [&provider.base, &provider.prefix, &provider.query].into_iter().flatten();
    let named: Vec<&str> =
        parts.chain(prefix).chain(paths).flat_map(|part| template::keys(part).unwrap_or_default()).collect();
    if let Some(name) = settings.several().find(|name| named.contains(name)) {
        let message = format!("'{name}' stands in this provider's URL, so there can be one key only");
        check.notes.mistake(entry.model.key.clone(), message);
    }
}

/// How the provider is asked for the operation, if it has it.
fn api(provider: &Provider, settings: &Settings<'_>, asked: Asked<'_>) -> Option<Api> {
    let (operation, how, refuses) = ask(provider, asked)?;
    let Asked { model, facts, .. } = asked;
    let variant = settings.variant;
    let value = |key: &str| match key {
        "model" => model.map(str::to_owned),
        _ => settings.text(key),
    };
    let base = provider.base.as_deref().and_then(|base| settings.fill(base)).unwrap_or_default();
    let prefix = variant.and_then(|variant| variant.prefix.as_deref()).or(provider.prefix.as_deref());
    let prefix = prefix.and_then(|prefix| fill_encoded(prefix, &value)).unwrap_or_default();
    let query = provider.query.as_deref().and_then(|query| fill_encoded(query, &value));
    let url = |path: &String| {
        let path = fill_encoded(path, &value).unwrap_or_default();
        join(&base, &[&prefix, &path], query.as_deref())
    };
    let name = model.unwrap_or_default();
    let asked_by = |how: &HowTo, refuses: &[Refusal]| Api {
        operation,
        dialect: how.dialect.clone(),
        url: url(&how.path),
        stream_url: how.stream_path.as_ref().map(url),
        count_url: how.count_path.as_ref().map(url),
        streams: how.streams,
        traits: ModelTraits {
            model: model.map(str::to_owned),
            model_in_url: how.model_in_url
                || how.names_model()
                || variant.is_some_and(|variant| variant.model_in_url),
            temperature_max: provider.temperature.max,
            refuses_stream_options: how.refuses_stream_options || too_old(settings),
            takes: how
                .takes
                .iter()
                .chain(variant.iter().flat_map(|variant| &variant.takes))
                .cloned()
                .collect(),
            reasoning: reasons(&provider.models, name, facts),
            budgets: listed(&provider.models.budgets, name),
            max_output_tokens: facts.max_output_tokens.or_else(|| most_output(&provider.models, name)),
            count_name: "",
        },
        refuses: refuses.to_vec(),
        allows_model: provider.allows_model,
        public_only: false,
        beyond_mlflow: None,
    };
    let beyond_mlflow = how.beyond_mlflow.as_deref().map(|how| Box::new(asked_by(how, &[])));
    Some(Api { beyond_mlflow, ..asked_by(how, refuses) })
}

/// Whether a model is one of those that refuse sampling parameters. Only providers that say of some models that they
/// do have such; what they do not say of a model, the facts may.
fn reasons(models: &Models, name: &str, facts: &ModelFacts) -> bool {
    let published = !models.reasoning.is_empty() && facts.can(Ability::Reasoning);
    told(&models.reasoning, name).unwrap_or(published)
}

fn most_output(models: &Models, name: &str) -> Option<u64> {
    models.max_output_tokens.iter().find(|most| fits(&most.model, name)).map(|most| most.tokens)
}

/// Whether the version of the API that the settings name is older than `stream_options`.
fn too_old(settings: &Settings<'_>) -> bool {
    let since = settings.variant.iter().flat_map(|variant| &variant.stream_options_since);
    since.into_iter().any(|(key, since)| settings.text(key).unwrap_or_default() < *since)
}

/// Which of the provider's operations a route's operation asks. A completion route on a chat model asks chat, and
/// keeps the refusals of completions.
fn ask<'a>(provider: &'a Provider, asked: Asked<'_>) -> Option<(Operation, &'a HowTo, &'a [Refusal])> {
    let Asked { operation, model, choice, .. } = asked;
    let own = provider.operations.of(operation);
    if operation != Operation::Complete {
        return own.map(|how| (operation, how, how.refuses.as_slice()));
    }
    let chat = provider.operations.of(Operation::Chat);
    let completion_model = match (choice, &provider.models.completion) {
        (Some(choice), _) => choice == ApiChoice::Completions,
        (None, Some(models)) => model.is_some_and(|model| listed(models, model)),
        (None, None) => true,
    };
    match (own, chat) {
        (Some(own), Some(chat)) if !completion_model => Some((Operation::Chat, chat, &own.refuses)),
        (Some(own), _) => Some((operation, own, &own.refuses)),
        (None, Some(chat)) => Some((Operation::Chat, chat, &chat.refuses)),
        (None, None) => None,
    }
}
