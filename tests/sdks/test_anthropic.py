"""Programs that call Anthropic's SDK with another base URL, against a model that is not Claude."""

import anthropic
import keys
import pytest
from lockgate_process import Gateway

HELLO = [{"role": "user", "content": "hello there"}]
WEATHER = {
    "name": "weather",
    "description": "Tells the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ROUTE = "  - {{name: {}, endpoint_type: llm/v1/chat, model: {{provider: demo, name: demo, config: {}}}}}"
OPTIONS = {
    "chat": "{}",
    "calling": '{tool_call: {name: weather, arguments: {city: Bern}}}',
    "busy": "{fault: 'status:429', retry_after_s: 0}",
    "down": "{fault: 'status:503'}",
    "cut": "{fault: cut, chunks: 8}",
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    config = "\n".join(["endpoints:", *(ROUTE.format(*route) for route in OPTIONS.items())])
    with Gateway(tmp_path_factory.mktemp("anthropic"), config) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=["", "/anthropic"], ids=["at-the-root", "under-its-prefix"])
def client(gateway, request):
    base = gateway.url + request.param
    with anthropic.Anthropic(base_url=base, api_key="unused", max_retries=0, timeout=20) as client:
        yield client


def ask(client, model="chat", **more):
    return client.messages.create(**{"model": model, "max_tokens": 200, "messages": HELLO, **more})


def test_a_message_is_answered(client, greeting):
    answer = ask(client)
    assert answer.content[0].text == f"{greeting} You said: hello there"
    assert (answer.role, answer.stop_reason) == ("assistant", "end_turn")
    assert answer.usage.input_tokens == 2
    assert answer.usage.output_tokens > 5


def test_a_stream_says_what_the_whole_answer_says(client):
    whole = ask(client)
    with client.messages.stream(model="chat", max_tokens=200, messages=HELLO) as stream:
        pieces = list(stream.text_stream)
        streamed = stream.get_final_message()
    assert len(pieces) > 5
    assert "".join(pieces) == streamed.content[0].text == whole.content[0].text
    assert (streamed.stop_reason, streamed.usage.output_tokens) == (whole.stop_reason, whole.usage.output_tokens)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_answer_comes_back(client, streamed):
    asked = {"model": "calling", "max_tokens": 200, "messages": HELLO, "tools": [WEATHER]}
    if streamed:
        with client.messages.stream(**asked) as stream:
            answer = stream.get_final_message()
    else:
        answer = client.messages.create(**asked)
    call = next(block for block in answer.content if block.type == "tool_use")
    assert (call.name, call.input, answer.stop_reason) == ("weather", {"city": "Bern"}, "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    turns = [*HELLO, {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    assert ask(client, messages=turns, tools=[WEATHER]).content[0].type == "text"


def test_failures_are_the_sdks_own_errors(client):
    with pytest.raises(anthropic.RateLimitError):
        ask(client, "busy")
    with pytest.raises(anthropic.InternalServerError):
        ask(client, "down")
    with pytest.raises(anthropic.NotFoundError) as missing:
        ask(client, "nothing")
    assert missing.value.body["error"]["type"] == "not_found_error"


def test_a_stream_that_is_cut_is_an_error_and_never_a_message(client):
    with pytest.raises(anthropic.APIStatusError):
        with client.messages.stream(model="cut", max_tokens=200, messages=HELLO) as stream:
            stream.get_final_message()


def test_routes_are_listed_as_models(client):
    assert [model.id for model in client.models.list()] == list(OPTIONS)
    assert client.models.retrieve("chat").display_name == "chat"


def test_the_usual_key_setting_is_enough(tmp_path, monkeypatch, greeting):
    with Gateway(tmp_path, keys.guarded("endpoints", "endpoint_type")) as gateway:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", gateway.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", keys.KEY)
        with anthropic.Anthropic(max_retries=0, timeout=20) as client:
            assert ask(client).content[0].text.startswith(greeting)
            assert [model.id for model in client.models.list()] == ["chat"]
            with pytest.raises(anthropic.NotFoundError):
                ask(client, "hidden")
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-wrong")
        with anthropic.Anthropic(max_retries=0, timeout=20) as client:
            with pytest.raises(anthropic.AuthenticationError):
                ask(client)
            with pytest.raises(anthropic.AuthenticationError):
                client.models.list()
        assert keys.KEY not in gateway.log()
