"""Notebooks that call `mlflow.gateway` on a gateway that asks for keys, with MLflow's own settings."""

import keys
import mlflow.gateway
import pytest
import requests
from lockgate_process import Gateway

HELLO = {"messages": [{"role": "user", "content": "hello there"}]}


@pytest.fixture(scope="module", autouse=True)
def gateway(tmp_path_factory):
    with Gateway(tmp_path_factory.mktemp("guarded"), keys.guarded("routes", "route_type")) as gateway:
        mlflow.gateway.set_gateway_uri(gateway.url)
        yield gateway


@pytest.mark.parametrize(
    "settings",
    [
        {"MLFLOW_TRACKING_TOKEN": keys.KEY},
        {"MLFLOW_TRACKING_USERNAME": "somebody", "MLFLOW_TRACKING_PASSWORD": keys.KEY},
    ],
    ids=["token", "password"],
)
def test_mlflows_own_settings_are_enough(monkeypatch, settings):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert [route.name for route in mlflow.gateway.search_routes()] == ["chat"]
    assert mlflow.gateway.get_route("chat").route_type == "llm/v1/chat"
    assert mlflow.gateway.query("chat", HELLO)["candidates"]
    with pytest.raises(requests.HTTPError, match="404"):
        mlflow.gateway.query("hidden", HELLO)


def test_without_a_key_mlflow_says_why():
    with pytest.raises(requests.HTTPError, match="401"):
        mlflow.gateway.query("chat", HELLO)
