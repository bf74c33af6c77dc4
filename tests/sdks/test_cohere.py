"""Programs that call Cohere's SDK with another base URL, against a model that is not Cohere's."""

import cohere
import keys
import pytest
from cohere.errors import NotFoundError, UnauthorizedError
from lockgate_process import Gateway

HELLO = [{"role": "user", "content": "hello there"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CONFIG = """endpoints:
  - {name: chat, endpoint_type: llm/v1/chat, model: {provider: demo, name: demo}}
  - name: calling
    endpoint_type: llm/v1/chat
    model: {provider: demo, name: demo, config: {tool_call: {name: weather, arguments: {city: Bern}}}}
  - {name: vectors, endpoint_type: llm/v1/embeddings, model: {provider: demo, name: demo}}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Gateway(tmp_path_factory.mktemp("cohere"), CONFIG) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=["", "/cohere"], ids=["at-the-root", "under-its-prefix"])
def client(gateway, request):
    return cohere.ClientV2(api_key="unused", base_url=gateway.url + request.param, timeout=20)


def test_a_message_is_answered(client, greeting):
    answer = client.chat(model="chat", messages=HELLO)
    assert answer.message.content[0].text == f"{greeting} You said: hello there"
    assert answer.finish_reason == "COMPLETE"
    assert answer.usage.tokens.input_tokens == 2


def test_a_stream_says_what_the_whole_answer_says(client, greeting):
    events = list(client.chat_stream(model="chat", messages=HELLO))
    pieces = [event.delta.message.content.text for event in events if event.type == "content-delta"]
    assert len(pieces) > 5
    assert "".join(pieces) == f"{greeting} You said: hello there"
    assert (events[0].type, events[-1].type) == ("message-start", "message-end")
    assert events[-1].delta.finish_reason == "COMPLETE"
    assert events[-1].delta.usage.tokens.input_tokens == 2


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called(client, streamed):
    asked = {"model": "calling", "messages": HELLO, "tools": [WEATHER]}
    if not streamed:
        answer = client.chat(**asked)
        call = answer.message.tool_calls[0].function
        assert (call.name, call.arguments, answer.finish_reason) == ("weather", '{"city":"Bern"}', "TOOL_CALL")
        return
    name, arguments = None, ""
    for event in client.chat_stream(**asked):
        if event.type == "tool-call-start":
            name = event.delta.message.tool_calls.function.name
            arguments += event.delta.message.tool_calls.function.arguments or ""
        elif event.type == "tool-call-delta":
            arguments += event.delta.message.tool_calls.function.arguments
    assert (name, arguments) == ("weather", '{"city":"Bern"}')


def test_texts_are_embedded(client):
    answer = client.embed(
        model="vectors", texts=["one", "two"], input_type="search_document", embedding_types=["float"]
    )
    assert len(answer.embeddings.float_) == 2
    assert len(answer.embeddings.float_[0]) == len(answer.embeddings.float_[1]) > 1


def test_the_usual_key_setting_is_enough(tmp_path, monkeypatch, greeting):
    with Gateway(tmp_path, keys.guarded("endpoints", "endpoint_type")) as gateway:
        monkeypatch.setenv("CO_API_KEY", keys.KEY)
        client = cohere.ClientV2(base_url=gateway.url, timeout=20)
        assert client.chat(model="chat", messages=HELLO).message.content[0].text.startswith(greeting)
        with pytest.raises(NotFoundError):
            client.chat(model="hidden", messages=HELLO)
        monkeypatch.setenv("CO_API_KEY", "wrong")
        with pytest.raises(UnauthorizedError):
            cohere.ClientV2(base_url=gateway.url, timeout=20).chat(model="chat", messages=HELLO)
        assert keys.KEY not in gateway.log()
