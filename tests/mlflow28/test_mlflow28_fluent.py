"""Notebooks that call `mlflow.gateway`, as MLflow 2.5 to 2.8 taught."""

import configs
import mlflow.gateway
import pytest
import requests
from lockgate_process import Gateway, until
from mlflow.exceptions import MlflowException
from mlflow.gateway import MlflowGatewayClient

HELLO = {"messages": [{"role": "user", "content": "hello there"}]}


@pytest.fixture(autouse=True)
def gateway_uri(classic):
    mlflow.gateway.set_gateway_uri(classic.url)


def test_a_notebook_sees_every_route_with_its_model_and_address(classic):
    routes = {route.name: route for route in mlflow.gateway.search_routes()}
    assert list(routes)[:3] == ["chat", "completions", "embeddings"]
    chat = routes["chat-far"]
    assert chat.route_type == "llm/v1/chat"
    assert (chat.model.provider, chat.model.name) == ("openai", "gpt-4")
    assert chat.route_url == f"{classic.url}/gateway/chat-far/invocations"


def test_a_listing_longer_than_a_page_is_complete(tmp_path):
    with Gateway(tmp_path, configs.many(3005)) as gateway:
        mlflow.gateway.set_gateway_uri(gateway.url)
        names = [route.name for route in mlflow.gateway.search_routes()]
        assert names == [f"route-{number:04}" for number in range(3005)]
        first = MlflowGatewayClient(gateway.url).search_routes()
        assert len(first) == 3000
        rest = MlflowGatewayClient(gateway.url).search_routes(page_token=first.token)
        assert [route.name for route in rest] == names[3000:]
        assert rest.token is None


def test_one_route_is_found_by_its_name():
    route = mlflow.gateway.get_route("embeddings")
    assert (route.name, route.route_type, route.model.provider) == ("embeddings", "llm/v1/embeddings", "demo")


def test_a_chat_is_answered_with_candidates_and_token_counts(place, greeting):
    answer = mlflow.gateway.query(f"chat{place}", HELLO)
    (candidate,) = answer["candidates"]
    assert candidate["message"] == {"role": "assistant", "content": f"{greeting} You said: hello there"}
    assert candidate["metadata"] == {"finish_reason": "stop"}
    assert answer["metadata"]["route_type"] == "llm/v1/chat"
    assert answer["metadata"]["input_tokens"] == 2
    assert answer["metadata"]["total_tokens"] == 2 + answer["metadata"]["output_tokens"]


def test_several_candidates_are_several(place):
    answer = mlflow.gateway.query(f"chat{place}", {**HELLO, "candidate_count": 3})
    texts = [candidate["message"]["content"] for candidate in answer["candidates"]]
    assert len(set(texts)) == 3


def test_a_limit_of_tokens_and_a_stop_word_reach_the_model(place):
    short = mlflow.gateway.query(f"chat{place}", {**HELLO, "max_tokens": 3})
    assert short["candidates"][0]["message"]["content"] == "Hello from lockgate's"
    assert short["candidates"][0]["metadata"]["finish_reason"] == "length"
    stopped = mlflow.gateway.query(f"chat{place}", {**HELLO, "stop": ["demo"], "temperature": 0.5})
    assert stopped["candidates"][0]["message"]["content"].strip() == "Hello from lockgate's"


@pytest.mark.parametrize("route", ["completions", "completions-far"])
def test_a_prompt_is_completed(route, greeting):
    answer = mlflow.gateway.query(route, {"prompt": "once upon a time"})
    assert [candidate["text"] for candidate in answer["candidates"]] == [
        f"{greeting} Your prompt was: once upon a time"
    ]
    assert answer["candidates"][0]["metadata"]["finish_reason"] == "stop"
    assert answer["metadata"]["route_type"] == "llm/v1/completions"


def test_a_prompt_is_completed_by_a_chat_model_as_the_guide_shows(greeting):
    answer = mlflow.gateway.query("completions-of-chat-far", {"prompt": "once upon a time"})
    assert answer["candidates"][0]["text"] == f"{greeting} You said: once upon a time"


def test_one_text_or_many_become_vectors(place):
    one = mlflow.gateway.query(f"embeddings{place}", {"text": "a"})
    many = mlflow.gateway.query(f"embeddings{place}", {"text": ["a", "b"]})
    assert len(one["embeddings"]) == 1
    assert len(many["embeddings"]) == 2
    assert one["embeddings"][0] == many["embeddings"][0] != many["embeddings"][1]
    assert one["metadata"]["route_type"] == "llm/v1/embeddings"


def test_an_unknown_route_is_not_found():
    with pytest.raises(requests.HTTPError, match="404 Client Error") as refused:
        mlflow.gateway.query("nope", HELLO)
    assert refused.value.response.json() == {"detail": "Not Found"}
    with pytest.raises(requests.HTTPError, match="The route 'nope' is not present or active"):
        mlflow.gateway.get_route("nope")


def test_a_wrong_body_is_explained_by_its_place():
    with pytest.raises(requests.HTTPError, match="422 Client Error") as refused:
        mlflow.gateway.query("chat", {"prompt": "not a chat"})
    assert [error["loc"] for error in refused.value.response.json()["detail"]] == [["body", "messages"]]


def test_a_model_in_the_body_is_refused_with_the_reason():
    with pytest.raises(requests.HTTPError, match="The parameter 'model' is not permitted to be passed"):
        mlflow.gateway.query("chat", {**HELLO, "model": "another"})


@pytest.mark.parametrize(("fault", "status"), [("unauthorized", 401), ("busy", 429), ("broken", 500), ("down", 503)])
def test_an_error_of_the_provider_arrives_with_its_status_and_words(fault, status):
    with pytest.raises(requests.HTTPError, match=f"{status} (Client|Server) Error") as refused:
        mlflow.gateway.query(f"chat-{fault}", HELLO)
    assert f"status {status}" in refused.value.response.json()["detail"]


@pytest.mark.parametrize("fault", ["cut", "malformed", "html", "empty"])
def test_an_unreadable_answer_of_the_provider_is_a_bad_gateway_in_json(fault, place):
    with pytest.raises(requests.HTTPError, match="502 Server Error") as refused:
        mlflow.gateway.query(f"chat-{fault}{place}", HELLO)
    assert refused.value.response.json()["detail"]


def test_limits_are_said_to_be_unavailable_as_in_the_open_source_server():
    with pytest.raises(requests.HTTPError, match="501 Server Error"):
        mlflow.gateway.get_limits("chat")
    with pytest.raises(requests.HTTPError, match="501 Server Error"):
        mlflow.gateway.set_limits("chat", [{"calls": 1, "renewal_period": "minute"}])


def test_routes_are_not_made_by_clients():
    with pytest.raises(MlflowException, match="only available when running within Databricks"):
        mlflow.gateway.create_route("new", "llm/v1/chat", {})


def test_the_client_class_does_what_the_functions_do(classic, greeting):
    client = MlflowGatewayClient(gateway_uri=classic.url)
    assert client.get_route("chat").route_url == f"{classic.url}/gateway/chat/invocations"
    assert client.search_routes().token is None
    assert client.query("chat", HELLO)["candidates"][0]["message"]["content"].startswith(greeting)


def test_the_address_is_taken_from_the_environment(classic, monkeypatch):
    monkeypatch.setattr("mlflow.gateway.utils._gateway_uri", None)
    monkeypatch.setenv("MLFLOW_GATEWAY_URI", classic.url)
    assert mlflow.gateway.get_gateway_uri() == classic.url
    assert mlflow.gateway.get_route("chat").name == "chat"


def test_a_changed_file_shows_without_a_restart_and_a_broken_one_changes_nothing(tmp_path):
    with Gateway(tmp_path, configs.many(2)) as gateway:
        mlflow.gateway.set_gateway_uri(gateway.url)

        def names():
            return [route.name for route in mlflow.gateway.search_routes()]

        gateway.config.write_text(configs.many(3))
        until(lambda: names() == ["route-0000", "route-0001", "route-0002"])
        lines = len(gateway.log().splitlines())
        gateway.config.write_text("routes: [{name: no model}]\n")
        until(lambda: len(gateway.log().splitlines()) > lines)
        assert len(names()) == 3
        gateway.config.write_text(configs.many(1))
        until(lambda: names() == ["route-0000"])
