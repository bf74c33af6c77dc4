"""Programs that call OpenAI's Responses API, against a model that does not know it."""

import openai
import pytest
from lockgate_process import Gateway

WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
CONFIG = """endpoints:
  - {name: chat, endpoint_type: llm/v1/chat, model: {provider: demo, name: demo}}
  - name: calling
    endpoint_type: llm/v1/chat
    model: {provider: demo, name: demo, config: {tool_call: {name: weather, arguments: {city: Bern}}}}
  - {name: busy, endpoint_type: llm/v1/chat, model: {provider: demo, name: demo, config: {fault: 'status:429'}}}
  - {name: cut, endpoint_type: llm/v1/chat, model: {provider: demo, name: demo, config: {fault: cut, chunks: 8}}}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Gateway(tmp_path_factory.mktemp("responses"), CONFIG) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway):
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", max_retries=0, timeout=20) as client:
        yield client


def test_an_input_is_answered(client, greeting):
    answer = client.responses.create(model="chat", input="hello there", instructions="Be kind.")
    assert answer.output_text == f"{greeting} You said: hello there"
    assert answer.status == "completed"
    assert answer.usage.input_tokens == 4


def test_a_stream_says_what_the_whole_answer_says(client, greeting):
    with client.responses.stream(model="chat", input="hello there") as stream:
        events = list(stream)
        answer = stream.get_final_response()
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(pieces) > 5
    assert "".join(pieces) == answer.output_text == f"{greeting} You said: hello there"
    numbers = [event.sequence_number for event in events if hasattr(event, "sequence_number")]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_answer_comes_back(client, streamed):
    asked = {"model": "calling", "input": "hello there", "tools": [WEATHER]}
    if streamed:
        with client.responses.stream(**asked) as stream:
            answer = stream.get_final_response()
    else:
        answer = client.responses.create(**asked)
    call = next(item for item in answer.output if item.type == "function_call")
    assert (call.name, call.arguments) == ("weather", '{"city":"Bern"}')
    turns = [{"role": "user", "content": "hello there"}, *answer.output]
    turns.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    again = client.responses.create(model="chat", input=turns, tools=[WEATHER])
    assert again.status == "completed"


def test_failures_are_the_sdks_own_errors(client):
    with pytest.raises(openai.RateLimitError):
        client.responses.create(model="busy", input="hello")
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="nothing", input="hello")
    with pytest.raises(openai.BadRequestError) as stateful:
        client.responses.create(model="chat", input="hello", previous_response_id="resp_1")
    assert stateful.value.param == "previous_response_id"


def test_a_stream_that_is_cut_is_an_error_and_never_an_answer(client):
    with pytest.raises((openai.APIError, RuntimeError)):
        with client.responses.stream(model="cut", input="hello") as stream:
            stream.get_final_response()
