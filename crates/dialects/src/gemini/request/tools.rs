//! Tools and the choice among them, read and written.

use crate::canonical::{ChatRequest, Losses, RawJson, Tool, ToolChoice};
use crate::gemini::fields;
use crate::gemini::parts::add_native;
use crate::gemini::schema;
use crate::raw::{Draft, Mismatch, Object, Read, to_raw};
use serde_json::value::RawValue;

/// What stands before the names of extra fields that belong into `toolConfig`, and into its object for functions.
pub(super) const PREFIX: &str = "toolConfig.";
const OF_FUNCTIONS: &str = "functionCallingConfig.";
const MODE: &str = "mode";
const ALLOWED: &str = "allowedFunctionNames";
/// `FunctionCallingConfig.Mode` of the API's protocol, by number.
const MODES: [&str; 5] = ["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"];
/// Fields of a declaration that are the API's own.
const NATIVE: [&str; 3] = ["response", "responseJsonSchema", "behavior"];
/// Tools that Google's servers run themselves.
const HOSTED: [&str; 11] = [
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "urlContext",
    "googleMaps",
    "fileSearch",
    "computerUse",
    "enterpriseWebSearch",
    "retrieval",
    "mcpServers",
    "parallelAiSearch",
];

/// Takes `tools` and `toolConfig`.
pub(super) fn read(
    object: &mut Object<'_>,
    request: &mut ChatRequest,
    extras: &mut Vec<(String, RawJson)>,
) -> Read<()> {
    fields::each(object, "tools", |tool| read_tool(tool, &mut request.tools))?;
    let Some(mut config) = fields::take_object(object, "toolConfig")? else { return Ok(()) };
    let inside = |wrong: Mismatch| wrong.within("toolConfig");
    if let Some(functions) = fields::take_object(&mut config, "functionCallingConfig").map_err(inside)? {
        let choice = read_choice(functions, extras);
        request.tool_choice = choice.map_err(|wrong| inside(wrong.within("functionCallingConfig")))?;
        hold_to_schemas(request, extras);
    }
    let rest = config.rest_without_nulls().into_iter();
    extras.extend(rest.map(|(name, value)| (format!("{PREFIX}{name}"), value)));
    Ok(())
}

/// Reads a tool: an object of which every field is a tool of a kind, or a list of functions.
fn read_tool(value: &RawValue, tools: &mut Vec<Tool>) -> Read<()> {
    let mut tool = fields::object(value)?;
    let functions = fields::each(&mut tool, "functionDeclarations", read_function)?;
    tools.extend(functions.into_iter().flatten());
    for (name, value) in tool.rest_without_nulls() {
        let mut alone = Draft::default();
        alone.set_raw(&name, value);
        tools.push(Tool::Unknown(to_raw(&alone)));
    }
    Ok(())
}

fn read_function(value: &RawValue) -> Read<Tool> {
    let mut function = fields::object(value)?;
    let own = function.take("parameters").map(schema::to_json_schema);
    let parameters = function.take("parametersJsonSchema").map(RawValue::to_owned).or(own);
    Ok(Tool::Function {
        name: function.need_string("name")?,
        description: function.string("description")?,
        parameters,
        strict: None,
        extras: function.rest_without_nulls(),
    })
}

/// Reads the choice. A finer one than the canonical model has is also kept, under its whole path.
fn read_choice(mut config: Object<'_>, extras: &mut Vec<(String, RawJson)>) -> Read<Option<ToolChoice>> {
    let mode = config.take(MODE).map(|mode| fields::word(mode, &MODES)).transpose();
    let mode = mode.map_err(|wrong| wrong.within(MODE))?;
    let allowed = config.strings(ALLOWED)?.unwrap_or_default();
    let mut keep = |name: &str, value: RawJson| extras.push((format!("{PREFIX}{OF_FUNCTIONS}{name}"), value));
    let choice = match (mode.as_deref(), allowed.as_slice()) {
        (Some("NONE"), _) => Some(ToolChoice::None),
        (Some("ANY"), [one]) => Some(ToolChoice::Function(one.clone())),
        (mode, _) => {
            if !allowed.is_empty() {
                keep(ALLOWED, to_raw(&allowed));
            }
            match mode {
                None | Some("MODE_UNSPECIFIED") => None,
                Some("AUTO") => Some(ToolChoice::Auto),
                Some("ANY") => Some(ToolChoice::Required),
                Some(other) => {
                    keep(MODE, to_raw(other));
                    Some(ToolChoice::Auto)
                }
            }
        }
    };
    for (name, value) in config.rest_without_nulls() {
        keep(&name, value);
    }
    Ok(choice)
}

/// `VALIDATED` holds every call to its schema, as strict functions are held elsewhere, where the schemas are of the form
/// that is asked for there.
fn hold_to_schemas(request: &mut ChatRequest, extras: &mut Vec<(String, RawJson)>) {
    let validated = |(name, value): &(String, RawJson)| {
        name.strip_prefix(PREFIX).and_then(|name| name.strip_prefix(OF_FUNCTIONS)) == Some(MODE)
            && value.get() == "\"VALIDATED\""
    };
    let fits = |tool: &Tool| match tool {
        Tool::Function { parameters, .. } => {
            parameters.as_ref().is_some_and(|schema| schema::is_strict(schema))
        }
        Tool::Unknown(_) => true,
    };
    let Some(place) = extras.iter().position(validated) else { return };
    if request.tools.iter().all(fits) {
        extras.remove(place);
        for tool in &mut request.tools {
            if let Tool::Function { strict, .. } = tool {
                *strict = Some(true);
            }
        }
    }
}

/// Sets `tools` and `toolConfig`.
pub(super) fn set(body: &mut Draft, request: &ChatRequest, losses: &mut Losses) {
    let mut functions = Vec::new();
    let mut hosted = Vec::new();
    for (index, tool) in request.tools.iter().enumerate() {
        let path = format!("tools[{index}]");
        match tool {
            Tool::Function { .. } => functions.extend(write_function(tool, &path, losses)),
            Tool::Unknown(raw) if is_hosted(raw) => hosted.push(raw.clone()),
            Tool::Unknown(_) => losses.add(path, "a tool that Gemini's API does not know"),
        }
    }
    let callable = !functions.is_empty();
    let mut tools = Vec::new();
    if callable {
        let mut declared = Draft::default();
        declared.set("functionDeclarations", functions);
        tools.push(to_raw(&declared));
    }
    tools.extend(hosted);
    body.set_some("tools", (!tools.is_empty()).then_some(tools));
    const ONE_AT_A_TIME: &str = "Gemini's models may always call several tools at once";
    losses.add_if(request.parallel_tool_calls == Some(false), "parallel_tool_calls", ONE_AT_A_TIME);
    let config = write_config(request, callable, losses);
    body.set_some("toolConfig", (!config.is_empty()).then_some(config));
}

fn write_function(tool: &Tool, path: &str, losses: &mut Losses) -> Option<Draft> {
    let Tool::Function { name, description, parameters, extras, .. } = tool else { return None };
    let mut written = Draft::default();
    written.set("name", name);
    written.set_some("description", description.as_ref());
    if let Some(parameters) = parameters {
        let field = if schema::is_own(parameters) { "parameters" } else { "parametersJsonSchema" };
        written.set_raw(field, parameters.clone());
    }
    add_native(&mut written, extras, &NATIVE, path, losses);
    Some(written)
}

/// Whether raw JSON is a tool of this API. No tool of it has a `type`.
fn is_hosted(raw: &RawJson) -> bool {
    fields::object(raw)
        .is_ok_and(|tool| tool.get("type").is_none() && HOSTED.iter().any(|name| tool.get(name).is_some()))
}

fn write_config(request: &ChatRequest, callable: bool, losses: &mut Losses) -> Draft {
    let mut functions = Draft::default();
    match &request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Function(_)) if !callable => {
            losses.add("tool_choice", "there is no function to choose");
        }
        Some(ToolChoice::Auto) if callable => functions.set(MODE, "AUTO"),
        Some(ToolChoice::None) if callable => functions.set(MODE, "NONE"),
        Some(ToolChoice::Required) => functions.set(MODE, "ANY"),
        Some(ToolChoice::Function(name)) => {
            functions.set(MODE, "ANY");
            functions.set(ALLOWED, [name]);
        }
        Some(ToolChoice::Unknown(_)) => {
            losses.add("tool_choice", "a choice that Gemini's API does not know");
        }
        None | Some(ToolChoice::Auto | ToolChoice::None) => {}
    }
    if callable && is_free(request) && request.tools.iter().any(is_strict) {
        // The one mode of a free choice in which calls are held to their schemas.
        functions.set(MODE, "VALIDATED");
    }
    let mut config = Draft::default();
    for (name, value) in &request.extras.fields {
        let Some(name) = name.strip_prefix(PREFIX) else { continue };
        match name.strip_prefix(OF_FUNCTIONS) {
            Some(name) => functions.set_raw(name, value.clone()),
            None => config.set_raw(name, value.clone()),
        }
    }
    let mut whole = Draft::default();
    whole.set_some("functionCallingConfig", (!functions.is_empty()).then_some(functions));
    whole.extend(config);
    whole
}

fn is_free(request: &ChatRequest) -> bool {
    matches!(request.tool_choice, None | Some(ToolChoice::Auto))
}

fn is_strict(tool: &Tool) -> bool {
    matches!(tool, Tool::Function { strict: Some(true), .. })
}
