"""Configs of the gateways under test.

Two gateways stand in a row. The one behind plays a provider: routes of the `demo` provider, named as OpenAI's models
are. The one in front has each kind of route twice: answered in its own process, and (`-far`) by the one behind, over
HTTP, as if that were OpenAI.
"""

# What the gateway behind serves: name, kind, and options of the demo provider.
MODELS = [
    ("gpt-4", "chat", ""),
    ("gpt-3.5-turbo", "chat", ""),
    ("gpt-3.5-turbo-instruct", "completions", ""),
    ("text-embedding-3-small", "embeddings", ""),
]
# Faults of a provider, each a chat route of the gateway in front, and again a model of the one behind.
FAULTS = {
    "unauthorized": "fault: 'status:401'",
    "busy": "{fault: 'status:429', retry_after_s: 0}",
    "broken": "fault: 'status:500'",
    "down": "fault: 'status:503'",
    "cut": "{fault: cut, chunks: 8}",
    "malformed": "{fault: malformed, chunks: 8}",
    "html": "fault: html",
    "empty": "fault: empty",
    "hanging": "fault: hang",
}


def behind():
    """The config of the gateway that plays the provider."""
    faults = [(name, "chat", options) for name, options in FAULTS.items()]
    return _file("routes", "route_type", [_demo(*model) for model in MODELS + faults])


def classic(upstream):
    """MLflow 2.5 to 2.8."""
    return _file("routes", "route_type", _front(upstream))


def endpoints(upstream):
    """MLflow 2.9 and later, with a route whose calls are limited."""
    limited = _demo("limited", "chat", "") | {"limit": "{calls: 2, renewal_period: hour}"}
    return _file("endpoints", "endpoint_type", [*_front(upstream), limited])


def many(count):
    """More routes than one page of MLflow's listing holds."""
    return _file("routes", "route_type", [_demo(f"route-{number:04}", "completions", "") for number in range(count)])


def _front(upstream):
    far = [
        ("chat-far", "chat", "gpt-4"),
        ("completions-far", "completions", "gpt-3.5-turbo-instruct"),
        ("completions-of-chat-far", "completions", "gpt-3.5-turbo"),
        ("embeddings-far", "embeddings", "text-embedding-3-small"),
    ]
    return [
        _demo("chat", "chat", ""),
        _demo("completions", "completions", ""),
        _demo("embeddings", "embeddings", ""),
        *(_far(*route, upstream) for route in far),
        *(_demo(f"chat-{fault}", "chat", options) for fault, options in FAULTS.items()),
        *(_far(f"chat-{fault}-far", "chat", fault, upstream) for fault in FAULTS),
    ]


def _demo(name, kind, options):
    if options and not options.startswith("{"):
        options = f"{{{options}}}"
    config = f", config: {options}" if options else ""
    return {"name": name, "kind": f"llm/v1/{kind}", "model": f"{{provider: demo, name: demo-model{config}}}"}


def _far(name, kind, model, upstream):
    config = f"{{openai_api_key: not-a-real-key, openai_api_base: '{upstream}/v1'}}"
    return {
        "name": name,
        "kind": f"llm/v1/{kind}",
        "model": f"{{provider: openai, name: {model}, config: {config}}}",
    }


def _file(section, kind_key, routes):
    lines = [f"{section}:"]
    for route in routes:
        lines += [f"  - name: {route['name']}", f"    {kind_key}: {route['kind']}", f"    model: {route['model']}"]
        if "limit" in route:
            lines.append(f"    limit: {route['limit']}")
    return "\n".join(lines) + "\n"
