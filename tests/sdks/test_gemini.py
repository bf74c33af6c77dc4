"""Programs that call Google's Gen AI SDK with another base URL, against a model that is not Gemini."""

import keys
import pytest
from google import genai
from google.genai import errors, types
from lockgate_process import Gateway

CONFIG = """endpoints:
  - {name: chat, endpoint_type: llm/v1/chat, model: {provider: demo, name: demo}}
  - name: calling
    endpoint_type: llm/v1/chat
    model: {provider: demo, name: demo, config: {tool_call: {name: weather, arguments: {city: Bern}}}}
  - {name: busy, endpoint_type: llm/v1/chat, model: {provider: demo, name: demo, config: {fault: 'status:429'}}}
  - {name: cut, endpoint_type: llm/v1/chat, model: {provider: demo, name: demo, config: {fault: cut, chunks: 8}}}
  - {name: vectors, endpoint_type: llm/v1/embeddings, model: {provider: demo, name: demo}}
"""
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="weather",
            description="Tells the weather.",
            parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}}},
        )
    ]
)


def connect(url, key="unused"):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url, timeout=20_000))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Gateway(tmp_path_factory.mktemp("gemini"), CONFIG) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=["", "/gemini"], ids=["at-the-root", "under-its-prefix"])
def client(gateway, request):
    return connect(gateway.url + request.param)


def test_contents_are_answered(client, greeting):
    answer = client.models.generate_content(model="chat", contents="hello there")
    assert answer.text == f"{greeting} You said: hello there"
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.usage_metadata.prompt_token_count == 2


def test_a_stream_says_what_the_whole_answer_says(client, greeting):
    chunks = list(client.models.generate_content_stream(model="chat", contents="hello there"))
    assert len(chunks) > 5
    assert "".join(chunk.text or "" for chunk in chunks) == f"{greeting} You said: hello there"
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata.prompt_token_count == 2


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_answer_comes_back(client, streamed):
    config = types.GenerateContentConfig(tools=[WEATHER])
    asked = {"model": "calling", "contents": "hello there", "config": config}
    if streamed:
        parts = [
            part
            for chunk in client.models.generate_content_stream(**asked)
            for part in chunk.candidates[0].content.parts or []
        ]
    else:
        parts = client.models.generate_content(**asked).candidates[0].content.parts
    call = next(part.function_call for part in parts if part.function_call)
    assert (call.name, call.args) == ("weather", {"city": "Bern"})
    answer = types.Part.from_function_response(name="weather", response={"result": "sunny"})
    turns = [
        types.Content(role="user", parts=[types.Part(text="hello there")]),
        types.Content(role="model", parts=parts),
        types.Content(role="user", parts=[answer]),
    ]
    assert client.models.generate_content(model="chat", contents=turns, config=config).text


def test_texts_are_embedded(client):
    answer = client.models.embed_content(model="vectors", contents=["one", "two"])
    assert len(answer.embeddings) == 2
    assert len(answer.embeddings[0].values) == len(answer.embeddings[1].values) > 1


def test_routes_are_listed_as_models(client):
    names = [model.name for model in client.models.list()]
    assert names == [f"models/{name}" for name in ("chat", "calling", "busy", "cut", "vectors")]


def test_failures_are_the_sdks_own_errors(client):
    with pytest.raises(errors.ClientError) as busy:
        client.models.generate_content(model="busy", contents="hello")
    assert (busy.value.code, busy.value.status) == (429, "RESOURCE_EXHAUSTED")
    with pytest.raises(errors.ClientError) as missing:
        client.models.generate_content(model="nothing", contents="hello")
    assert (missing.value.code, missing.value.status) == (404, "NOT_FOUND")


def test_a_stream_that_is_cut_is_an_error_and_never_an_answer(client):
    with pytest.raises(Exception) as cut:
        list(client.models.generate_content_stream(model="cut", contents="hello"))
    assert "broke off" in str(cut.value) or "ended" in str(cut.value)


def test_the_usual_key_setting_is_enough(tmp_path, monkeypatch, greeting):
    with Gateway(tmp_path, keys.guarded("endpoints", "endpoint_type")) as gateway:
        monkeypatch.setenv("GEMINI_API_KEY", keys.KEY)
        client = genai.Client(http_options=types.HttpOptions(base_url=gateway.url))
        assert client.models.generate_content(model="chat", contents="hi").text.startswith(greeting)
        with pytest.raises(errors.ClientError) as hidden:
            client.models.generate_content(model="hidden", contents="hi")
        assert hidden.value.code == 404
        wrong = connect(gateway.url, "wrong")
        with pytest.raises(errors.ClientError) as refused:
            wrong.models.generate_content(model="chat", contents="hi")
        assert refused.value.code in (400, 401, 403)
        assert keys.KEY not in gateway.log()
