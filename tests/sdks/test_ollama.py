"""Programs that call Ollama's SDK with another host, against a model that does not run in Ollama."""

import ollama
import pytest
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
  - {name: cut, endpoint_type: llm/v1/chat, model: {provider: demo, name: demo, config: {fault: cut, chunks: 8}}}
  - {name: vectors, endpoint_type: llm/v1/embeddings, model: {provider: demo, name: demo}}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Gateway(tmp_path_factory.mktemp("ollama"), CONFIG) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=["", "/ollama"], ids=["at-the-root", "under-its-prefix"])
def client(gateway, request):
    return ollama.Client(host=gateway.url + request.param, timeout=20)


def test_a_message_is_answered(client, greeting):
    answer = client.chat(model="chat", messages=HELLO)
    assert answer.message.content == f"{greeting} You said: hello there"
    assert (answer.done, answer.done_reason, answer.prompt_eval_count) == (True, "stop", 2)


def test_a_stream_says_what_the_whole_answer_says(client, greeting):
    chunks = list(client.chat(model="chat", messages=HELLO, stream=True))
    assert len(chunks) > 5
    assert "".join(chunk.message.content or "" for chunk in chunks) == f"{greeting} You said: hello there"
    assert (chunks[-1].done, chunks[-1].done_reason, chunks[-1].prompt_eval_count) == (True, "stop", 2)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called(client, streamed):
    answer = client.chat(model="calling", messages=HELLO, tools=[WEATHER], stream=streamed)
    parts = list(answer) if streamed else [answer]
    calls = [call.function for part in parts for call in part.message.tool_calls or []]
    assert [(call.name, call.arguments) for call in calls] == [("weather", {"city": "Bern"})]


def test_a_stream_that_is_cut_is_an_error_and_never_a_message(client):
    with pytest.raises(ollama.ResponseError):
        list(client.chat(model="cut", messages=HELLO, stream=True))


def test_texts_are_embedded(client):
    answer = client.embed(model="vectors", input=["one", "two"])
    assert len(answer.embeddings) == 2


def test_routes_are_listed_as_models(client):
    assert [model.model for model in client.list().models] == ["chat", "calling", "cut", "vectors"]


def test_an_unknown_model_is_the_sdks_own_error(client):
    with pytest.raises(ollama.ResponseError) as missing:
        client.chat(model="nothing", messages=HELLO)
    assert missing.value.status_code == 404
