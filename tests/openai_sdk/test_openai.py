"""Programs that call OpenAI's SDK with another base URL. Run with the SDK of today and with the first of its kind."""

import json

import httpx
import openai
import pytest
from lockgate_process import until

HELLO = [{"role": "user", "content": "hello there"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALLS_WEATHER = {"demo": {"tool_call": {"name": "weather", "arguments": {"city": "Bern"}}}}


@pytest.fixture(scope="module")
def client(endpoints):
    with openai.OpenAI(base_url=f"{endpoints.url}/v1", api_key="unused", max_retries=0, timeout=20) as client:
        yield client


def test_a_chat_is_answered(client, place, greeting):
    answer = client.chat.completions.create(model=f"chat{place}", messages=HELLO)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content == f"{greeting} You said: hello there"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == 2
    assert answer.usage.total_tokens == 2 + answer.usage.completion_tokens


def test_every_message_and_part_arrives(client, place, greeting):
    messages = [
        {"role": "system", "content": "one two"},
        {"role": "user", "content": [{"type": "text", "text": "three"}]},
        {"role": "assistant", "content": "four"},
        {"role": "user", "content": [{"type": "text", "text": "five"}, {"type": "text", "text": " six"}]},
    ]
    answer = client.chat.completions.create(model=f"chat{place}", messages=messages)
    assert answer.choices[0].message.content == f"{greeting} You said: five six"
    assert answer.usage.prompt_tokens == 6


def test_a_stream_says_what_the_whole_answer_says(client, place):
    whole = client.chat.completions.create(model=f"chat{place}", messages=HELLO)
    stream = client.chat.completions.create(model=f"chat{place}", messages=HELLO, stream=True)
    chunks = [chunk for chunk in stream if chunk.choices]
    assert len(chunks) > 5, "an answer in one piece is no stream"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_ends_with_its_usage_when_asked(client, place):
    options = {"include_usage": True}
    stream = client.chat.completions.create(
        model=f"chat{place}", messages=HELLO, stream=True, stream_options=options
    )
    *chunks, last = stream
    assert last.choices == []
    assert last.usage.prompt_tokens == 2
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_without_the_question_has_no_chunk_without_choices(client, place):
    stream = client.chat.completions.create(model=f"chat{place}", messages=HELLO, stream=True)
    assert all(chunk.choices for chunk in stream), "programs read choices[0] of every chunk"


def test_several_streamed_answers_are_kept_apart(client, place):
    texts = {}
    stream = client.chat.completions.create(model=f"chat{place}", messages=HELLO, n=2, stream=True)
    for chunk in stream:
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
    assert texts[1] == f"Answer 2: {texts[0]}"


def test_a_tool_is_called_and_its_answer_is_taken(client, place, greeting):
    model = f"chat{place}"
    answer = client.chat.completions.create(
        model=model, messages=HELLO, tools=[WEATHER], extra_body=CALLS_WEATHER
    )
    (call,) = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments) == {"city": "Bern"}
    told = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    answer = client.chat.completions.create(
        model=model, messages=[*HELLO, answer.choices[0].message, told], tools=[WEATHER]
    )
    assert answer.choices[0].message.content == f"{greeting} The tool said: sunny"


def test_a_streamed_tool_call_comes_together(client, place):
    name, arguments, reason = "", "", None
    stream = client.chat.completions.create(
        model=f"chat{place}", messages=HELLO, tools=[WEATHER], extra_body=CALLS_WEATHER, stream=True
    )
    for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or []:
            assert call.index == 0
            name += call.function.name or ""
            arguments += call.function.arguments or ""
        reason = chunk.choices[0].finish_reason or reason
    assert (name, json.loads(arguments), reason) == ("weather", {"city": "Bern"}, "tool_calls")


def test_a_limit_of_tokens_under_either_name_reaches_the_model(client, place):
    for limit in ({"max_tokens": 3}, {"max_completion_tokens": 3}):
        answer = client.chat.completions.create(model=f"chat{place}", messages=HELLO, **limit)
        assert answer.choices[0].message.content == "Hello from lockgate's"
        assert answer.choices[0].finish_reason == "length"


def test_a_stop_word_may_be_a_text_or_a_list(client, place):
    for stop in ("demo", ["demo", "network"]):
        answer = client.chat.completions.create(model=f"chat{place}", messages=HELLO, stop=stop)
        assert answer.choices[0].message.content.strip() == "Hello from lockgate's"


def test_a_prompt_is_completed_whole_and_streamed(client, place, greeting):
    model, prompt = f"completions{place}", "once upon a time"
    whole = client.completions.create(model=model, prompt=prompt)
    assert whole.object == "text_completion"
    assert whole.choices[0].text == f"{greeting} Your prompt was: once upon a time"
    stream = list(client.completions.create(model=model, prompt=prompt, stream=True))
    assert "".join(chunk.choices[0].text for chunk in stream if chunk.choices) == whole.choices[0].text


def test_several_prompts_are_completed_in_their_order(client, place):
    answer = client.completions.create(model=f"completions{place}", prompt=["red", "blue"])
    assert [choice.text.split()[-1] for choice in answer.choices] == ["red", "blue"]


def test_vectors_are_the_same_as_numbers_and_as_base64(client, place):
    model = f"embeddings{place}"
    # Without a wish the SDK asks for base64 and unpacks it.
    packed = client.embeddings.create(model=model, input=["a", "b"], dimensions=4)
    plain = client.embeddings.create(model=model, input=["a", "b"], dimensions=4, encoding_format="float")
    assert [item.index for item in plain.data] == [0, 1]
    for one, other in zip(packed.data, plain.data):
        assert len(other.embedding) == 4
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    raw = client.embeddings.create(model=model, input="a", encoding_format="base64")
    assert isinstance(raw.data[0].embedding, str)


def test_tokens_can_be_embedded_instead_of_texts(client, place):
    answer = client.embeddings.create(model=f"embeddings{place}", input=[[1, 2], [3]])
    assert len(answer.data) == 2
    assert answer.usage.prompt_tokens == 3


def test_every_route_is_a_model(client):
    names = [model.id for model in client.models.list()]
    assert names[:3] == ["chat", "completions", "embeddings"]
    assert client.models.retrieve("chat").id == "chat"


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="nope", messages=HELLO)
    assert "nope" in refused.value.message
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nope")


def test_a_model_of_another_kind_is_a_mistake_of_the_request(client):
    with pytest.raises(openai.BadRequestError, match="embeddings"):
        client.chat.completions.create(model="embeddings", messages=HELLO)


def test_a_wrong_body_is_a_mistake_of_the_request_and_named(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="chat", messages="hello")
    assert refused.value.param == "messages"


ERRORS = [
    # The gateway's key is refused, not the program's own.
    ("unauthorized", openai.InternalServerError),
    ("busy", openai.RateLimitError),
    ("broken", openai.InternalServerError),
    ("down", openai.InternalServerError),
    ("html", openai.InternalServerError),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("fault", "kind"), ERRORS)
def test_an_error_of_the_provider_is_the_exception_that_programs_catch(client, fault, kind, stream, place):
    with pytest.raises(kind) as refused:
        client.chat.completions.create(model=f"chat-{fault}{place}", messages=HELLO, stream=stream)
    assert refused.value.message
    if fault == "busy":
        assert refused.value.response.headers["retry-after"] == "0"


@pytest.mark.parametrize("fault", ["cut", "malformed", "empty"])
def test_an_answer_that_breaks_off_is_an_exception_and_no_short_answer(client, fault, place):
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model=f"chat-{fault}{place}", messages=HELLO)


@pytest.mark.parametrize(
    ("fault", "kind"),
    # An event that is no JSON may pass as it is: the SDK itself stumbles over it.
    [("cut", openai.APIError), ("malformed", (openai.APIError, ValueError))],
)
def test_a_stream_that_breaks_off_is_an_exception_and_no_short_answer(client, fault, kind, place):
    stream = client.chat.completions.create(model=f"chat-{fault}{place}", messages=HELLO, stream=True)
    chunks = []
    with pytest.raises(kind):
        for chunk in stream:
            chunks.append(chunk)
    assert chunks, "what came before the break is worth having"
    assert all(choice.finish_reason is None for chunk in chunks for choice in chunk.choices)


@pytest.mark.parametrize("fault", ["cut", "empty"])
def test_a_stream_that_breaks_off_says_so_once(endpoints, fault, place):
    body = {"model": f"chat-{fault}{place}", "messages": HELLO, "stream": True}
    answer = httpx.post(f"{endpoints.url}/v1/chat/completions", json=body)
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert ['"error"' in event for event in events] == [False] * (len(events) - 1) + [True]
    assert json.loads(events[-1])["error"]["message"]


def test_the_sdk_retries_a_busy_provider_by_itself(client):
    eager = client.with_options(max_retries=2)
    with pytest.raises(openai.RateLimitError) as refused:
        eager.chat.completions.create(model="chat-busy", messages=HELLO)
    assert refused.value.request.headers["x-stainless-retry-count"] == "2"


def test_a_program_that_gives_up_does_no_harm_to_the_next_call(client, greeting, place):
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5).chat.completions.create(model=f"chat-hanging{place}", messages=HELLO)
    answer = client.chat.completions.create(model="chat-far", messages=HELLO)
    assert answer.choices[0].message.content.startswith(greeting)


def test_a_request_has_an_id_that_support_can_look_up(client, endpoints):
    answer = client.chat.completions.create(model="chat", messages=HELLO)
    assert answer._request_id
    until(lambda: answer._request_id in endpoints.log())
