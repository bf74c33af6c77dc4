"""Programs that call `mlflow.deployments`, as MLflow 2.9 and later teach."""

import pytest
import requests
from mlflow.deployments import get_deploy_client

HELLO = {"messages": [{"role": "user", "content": "hello there"}]}


@pytest.fixture(scope="module")
def client(endpoints):
    return get_deploy_client(endpoints.url)


def test_a_program_sees_every_endpoint_with_its_model(client):
    found = {endpoint.name: endpoint for endpoint in client.list_endpoints()}
    assert list(found)[:3] == ["chat", "completions", "embeddings"]
    assert found["chat-far"].endpoint_type == "llm/v1/chat"
    assert (found["chat-far"].model.provider, found["chat-far"].model.name) == ("openai", "gpt-4")


def test_an_endpoint_says_its_limit_or_that_it_has_none(client):
    assert client.get_endpoint("chat").limit is None
    limit = client.get_endpoint("limited").limit
    assert (limit.calls, limit.renewal_period) == (2, "hour")


def test_a_chat_is_answered_in_openais_shape(client, place, greeting):
    answer = client.predict(endpoint=f"chat{place}", inputs=HELLO)
    assert answer["object"] == "chat.completion"
    (choice,) = answer["choices"]
    assert choice["message"]["content"] == f"{greeting} You said: hello there"
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens"] == 2


def test_several_answers_are_several(client, place):
    answer = client.predict(endpoint=f"chat{place}", inputs={**HELLO, "n": 3, "temperature": 1.5})
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in answer["choices"]}) == 3


@pytest.mark.parametrize("endpoint", ["completions", "completions-far"])
def test_a_prompt_is_completed(client, endpoint, greeting):
    answer = client.predict(endpoint=endpoint, inputs={"prompt": "once upon a time", "max_tokens": 100})
    assert answer["object"] == "text_completion"
    assert answer["choices"][0]["text"] == f"{greeting} Your prompt was: once upon a time"


def test_a_prompt_is_completed_by_a_chat_model(client, greeting):
    answer = client.predict(endpoint="completions-of-chat-far", inputs={"prompt": "once upon a time"})
    assert answer["choices"][0]["text"] == f"{greeting} You said: once upon a time"


def test_texts_become_vectors_in_their_order(client, place):
    answer = client.predict(endpoint=f"embeddings{place}", inputs={"input": ["a", "b", "a"]})
    assert [item["index"] for item in answer["data"]] == [0, 1, 2]
    first, second, third = (item["embedding"] for item in answer["data"])
    assert first == third != second


def test_tools_come_back_as_calls_and_their_answers_are_taken(client, place, greeting):
    call = {"name": "weather", "arguments": {"city": "Bern"}}
    answer = client.predict(endpoint=f"chat{place}", inputs={**HELLO, "demo": {"tool_call": call}})
    message = answer["choices"][0]["message"]
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert message["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Bern"}'}
    told = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "sunny"}
    answer = client.predict(endpoint=f"chat{place}", inputs={"messages": [*HELLO["messages"], message, told]})
    assert answer["choices"][0]["message"]["content"] == f"{greeting} The tool said: sunny"


def test_an_unknown_endpoint_is_not_found(client):
    with pytest.raises(requests.HTTPError, match="404 Client Error"):
        client.predict(endpoint="nope", inputs=HELLO)
    with pytest.raises(requests.HTTPError, match="The endpoint 'nope' is not present or active"):
        client.get_endpoint("nope")


def test_a_wrong_body_is_explained_by_its_place(client):
    with pytest.raises(requests.HTTPError, match="422 Client Error") as refused:
        client.predict(endpoint="chat", inputs={})
    assert [error["loc"] for error in refused.value.response.json()["detail"]] == [["body", "messages"]]


@pytest.mark.parametrize(("fault", "status"), [("unauthorized", 401), ("busy", 429), ("broken", 500)])
def test_an_error_of_the_provider_arrives_with_its_status_and_words(client, fault, status):
    with pytest.raises(requests.HTTPError, match=f"{status} (Client|Server) Error") as refused:
        client.predict(endpoint=f"chat-{fault}", inputs=HELLO)
    assert f"status {status}" in refused.value.response.json()["detail"]


def test_calls_over_the_limit_are_refused_and_told_when_to_come_again(client, monkeypatch):
    # Otherwise the client waits until the hour is over.
    monkeypatch.setenv("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "false")
    for _ in range(2):
        client.predict(endpoint="limited", inputs=HELLO)
    with pytest.raises(requests.HTTPError, match="429 Client Error") as refused:
        client.predict(endpoint="limited", inputs=HELLO)
    assert "Rate limit exceeded" in refused.value.response.json()["error"]
    assert int(refused.value.response.headers["retry-after"]) > 0
