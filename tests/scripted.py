"""A provider that speaks OpenAI's chat API and follows a script: it asks for a command to be run, then says a word."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORD = "PINEAPPLE"
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


class Provider:
    """Calls the first of `tools` that a request offers, with its arguments, until a tool's answer has come back."""

    def __init__(self, tools):
        self.requests = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, tools))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def _pieces(body, tools):
    """What is said: deltas of one choice, and why it ends."""
    offered = {tool["function"]["name"] for tool in body.get("tools", [])}
    wanted = next((name for name in tools if name in offered), None)
    if wanted is None or any(message["role"] == "tool" for message in body["messages"]):
        return [{"content": piece} for piece in ("All ", "done", f": {WORD}")], "stop"
    arguments = json.dumps(tools[wanted])
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": wanted, "arguments": ""}}
    grown = [arguments[at : at + 7] for at in range(0, len(arguments), 7)]
    pieces = [{"reasoning_content": "A command will do."}, {"content": "Let me see."}, {"tool_calls": [call]}]
    pieces += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in grown]
    return pieces, "tool_calls"


def _whole(pieces):
    message = {"role": "assistant", "content": None}
    for piece in pieces:
        for name in ("content", "reasoning_content"):
            if name in piece:
                message[name] = (message.get(name) or "") + piece[name]
        for call in piece.get("tool_calls", []):
            if "id" in call:
                message["tool_calls"] = [{**call, "function": dict(call["function"])}]
            else:
                message["tool_calls"][0]["function"]["arguments"] += call["function"]["arguments"]
    return message


def _handler(provider, tools):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            provider.requests.append(body)
            pieces, reason = _pieces(body, tools)
            head = {"id": "c1", "created": 1, "model": "scripted"}
            if body.get("stream"):
                kind = {**head, "object": "chat.completion.chunk"}
                choice = lambda delta, reason=None: {"index": 0, "delta": delta, "finish_reason": reason}
                chunks = [{**kind, "choices": [choice(piece)]} for piece in [{"role": "assistant"}, *pieces]]
                chunks += [{**kind, "choices": [choice({}, reason)]}, {**kind, "choices": [], "usage": USAGE}]
                told = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]
                self._tell("text/event-stream", told)
            else:
                choice = {"index": 0, "message": _whole(pieces), "finish_reason": reason}
                whole = {**head, "object": "chat.completion", "choices": [choice], "usage": USAGE}
                self._tell("application/json", [json.dumps(whole)])

        def _tell(self, content_type, pieces):
            self.send_response(200)
            self.send_header("content-type", content_type)
            self.send_header("connection", "close")
            self.end_headers()
            for piece in pieces:
                self.wfile.write(piece.encode())

    return Handler
