"""The official SDKs read what `cargo xtask corpus DIR --sdk` says was told to their clients.

Each line of the file given is an answer in a client's dialect, as a whole or as a stream, with what it must say. A
server on this machine gives it to the SDK, and what the SDK makes of it is compared.
"""

import collections
import http.server
import json
import os
import sys
import threading

os.environ["NO_PROXY"] = "127.0.0.1"

import anthropic
import cohere
import openai
from google import genai

NUMBER = "x-told"
QUESTION = [{"role": "user", "content": "?"}]


class Server(http.server.ThreadingHTTPServer):
    """Answers with the line that a request's header names."""

    daemon_threads = True

    def __init__(self, lines):
        super().__init__(("127.0.0.1", 0), Teller)
        self.lines = lines


class Teller(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one piece, or the client waits for the second.
    wbufsize = -1

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        line = self.server.lines[int(self.headers[NUMBER])]
        body = line["body"].encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if line["streamed"] else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Heard:
    """What an SDK made of an answer."""

    def __init__(self):
        self.text, self.reasoning, self.reason = "", "", None
        self.calls = {}
        self.prompt = self.completion = None

    def call(self, key, name=None, arguments=""):
        call = self.calls.setdefault(key, {"name": "", "arguments": ""})
        call["name"] += name or ""
        call["arguments"] += arguments or ""


def openai_chat(clients, headers, streamed):
    heard = Heard()
    ask = clients["openai"].chat.completions.create
    if streamed:
        options = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = list(ask(model="m", messages=QUESTION, extra_headers=headers, **options))
        deltas = [(choice.delta, choice.finish_reason) for chunk in chunks for choice in chunk.choices if choice.index == 0]
        usage = next((chunk.usage for chunk in reversed(chunks) if chunk.usage), None)
    else:
        answer = ask(model="m", messages=QUESTION, extra_headers=headers)
        deltas = [(choice.message, choice.finish_reason) for choice in answer.choices if choice.index == 0]
        usage = answer.usage
    for delta, reason in deltas:
        heard.text += (delta.content or "") + (delta.refusal or "")
        heard.reasoning += getattr(delta, "reasoning_content", None) or ""
        for place, call in enumerate(delta.tool_calls or []):
            heard.call(call.index if streamed else place, call.function.name, call.function.arguments)
        heard.reason = reason or heard.reason
    if usage:
        heard.prompt, heard.completion = usage.prompt_tokens, usage.completion_tokens
    return heard


def openai_responses(clients, headers, streamed):
    heard = Heard()
    ask = clients["openai"].responses.create
    if streamed:
        events = list(ask(model="m", input="?", stream=True, extra_headers=headers))
        answer = events[-1].response
    else:
        answer = ask(model="m", input="?", extra_headers=headers)
    for item in answer.output:
        if item.type == "message":
            heard.text += "".join(getattr(part, "text", None) or getattr(part, "refusal", "") for part in item.content)
        elif item.type == "reasoning":
            heard.reasoning += "".join(part.text for part in item.summary or [])
            heard.reasoning += "".join(part.text for part in item.content or [])
        elif item.type == "function_call":
            heard.call(len(heard.calls), item.name, item.arguments)
    heard.reason = "tool_calls" if heard.calls else "stop"
    if answer.status == "incomplete":
        reasons = {"max_output_tokens": "length", "content_filter": "content_filter"}
        heard.reason = reasons.get(answer.incomplete_details.reason)
    if answer.usage:
        heard.prompt, heard.completion = answer.usage.input_tokens, answer.usage.output_tokens
    return heard


def anthropic_messages(clients, headers, streamed):
    heard = Heard()
    options = {"model": "m", "max_tokens": 9, "messages": QUESTION, "extra_headers": headers}
    if streamed:
        with clients["anthropic"].messages.stream(**options) as stream:
            answer = stream.get_final_message()
    else:
        answer = clients["anthropic"].messages.create(**options)
    for block in answer.content:
        if block.type == "text":
            heard.text += block.text
        elif block.type == "thinking":
            heard.reasoning += block.thinking
        elif block.type == "tool_use":
            heard.call(len(heard.calls), block.name, json.dumps(block.input))
    reasons = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
    heard.reason = {**reasons, "refusal": "content_filter"}.get(answer.stop_reason)
    cached = (answer.usage.cache_creation_input_tokens or 0) + (answer.usage.cache_read_input_tokens or 0)
    heard.prompt, heard.completion = answer.usage.input_tokens + cached, answer.usage.output_tokens
    return heard


def gemini(clients, headers, streamed):
    heard = Heard()
    models = clients["gemini"].models
    options = {"model": "m", "contents": "?", "config": {"http_options": {"headers": headers}}}
    answers = list(models.generate_content_stream(**options)) if streamed else [models.generate_content(**options)]
    for answer in answers:
        candidate = next((one for one in answer.candidates or [] if not one.index), None)
        for part in candidate.content.parts or [] if candidate and candidate.content else []:
            if part.function_call:
                heard.call(len(heard.calls), part.function_call.name, json.dumps(part.function_call.args or {}))
            elif part.thought:
                heard.reasoning += part.text or ""
            else:
                heard.text += part.text or ""
        if candidate and candidate.finish_reason:
            reasons = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}
            heard.reason = reasons.get(candidate.finish_reason.value)
        if usage := answer.usage_metadata:
            heard.prompt = (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0)
            heard.completion = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    if heard.calls and heard.reason == "stop":
        heard.reason = "tool_calls"
    return heard


def cohere_v2(clients, headers, streamed):
    heard = Heard()
    options = {"model": "m", "messages": QUESTION, "request_options": {"additional_headers": headers}}
    reasons = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}
    usage = None
    if streamed:
        for event in clients["cohere"].chat_stream(**options):
            message = getattr(event.delta, "message", None) if getattr(event, "delta", None) else None
            if event.type in ("content-start", "content-delta"):
                heard.text += getattr(message.content, "text", None) or ""
                heard.reasoning += getattr(message.content, "thinking", None) or ""
            elif event.type in ("tool-call-start", "tool-call-delta"):
                function = message.tool_calls.function
                heard.call(event.index, getattr(function, "name", None), function.arguments)
            elif event.type == "message-end":
                heard.reason, usage = reasons.get(event.delta.finish_reason), event.delta.usage
    else:
        answer = clients["cohere"].chat(**options)
        for part in answer.message.content or []:
            heard.text += getattr(part, "text", None) or ""
            heard.reasoning += getattr(part, "thinking", None) or ""
        for call in answer.message.tool_calls or []:
            heard.call(len(heard.calls), call.function.name, call.function.arguments)
        heard.reason, usage = reasons.get(answer.finish_reason), answer.usage
    if usage and usage.tokens:
        heard.prompt, heard.completion = usage.tokens.input_tokens, usage.tokens.output_tokens
    return heard


READERS = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic_messages": anthropic_messages,
    "gemini": gemini,
    "cohere_v2": cohere_v2,
}


def parsed(arguments):
    try:
        return json.loads(arguments)
    except ValueError:
        # No JSON object: some APIs take it inside one.
        return {"arguments": arguments}


def differences(said, heard):
    """What was said and not heard. A reason or count that nobody gave may be made up."""
    for field in ("text", "reasoning"):
        if said[field].split() != getattr(heard, field).split():
            yield f"{field}: {said[field][:80]!r} is heard as {getattr(heard, field)[:80]!r}"
    calls = [(call["name"], parsed(call["arguments"])) for call in said["calls"]]
    told = [(call["name"], parsed(call["arguments"] or "{}")) for call in heard.calls.values()]
    if calls != told:
        yield f"calls: {calls} are heard as {told}"
    reason = said["reason"]
    if calls and reason in ("stop", "function_call"):
        reason = "tool_calls"
    known = ("stop", "length", "tool_calls", "content_filter")
    if reason in known and heard.reason != reason:
        yield f"reason: {reason} is heard as {heard.reason}"
    for name in ("prompt", "completion"):
        count = said["usage"][name]
        if count is not None and count != getattr(heard, name):
            yield f"{name} tokens: {count} are heard as {getattr(heard, name)}"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    server = Server(lines)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    clients = {
        "openai": openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0),
        "anthropic": anthropic.Anthropic(base_url=url, api_key="k", max_retries=0),
        "gemini": genai.Client(api_key="k", http_options={"base_url": url}),
        "cohere": cohere.ClientV2(base_url=url, api_key="k"),
    }
    passed, failed = collections.Counter(), collections.defaultdict(list)
    for number, line in enumerate(lines):
        key = (line["client"], "stream" if line["streamed"] else "whole")
        try:
            heard = READERS[line["client"]](clients, {NUMBER: str(number)}, line["streamed"])
            wrong = list(differences(line["said"], heard))
        except Exception as error:  # whatever an SDK throws
            wrong = [f"{type(error).__name__}: {str(error)[:200]}"]
        if wrong:
            failed[key].append(f"{line['id']}: {'; '.join(wrong)}")
        else:
            passed[key] += 1
    print(f"{'official SDK of':<34} {'pass':>7} {'fail':>7}")
    for key in sorted(set(passed) | set(failed)):
        print(f"{' '.join(key):<34} {passed[key]:>7} {len(failed.get(key, ())):>7}")
    for key, told in sorted(failed.items()):
        print(f"\n{' '.join(key)}: {len(told)}")
        for line in told[:5]:
            print(f"  {line[:500]}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
