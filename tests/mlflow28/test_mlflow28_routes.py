"""Routes made, limited and deleted by MLflow 2.8's own client."""

import keys
import mlflow.gateway
import pytest
import requests
from lockgate_process import Gateway
from mlflow.gateway import MlflowGatewayClient
from mlflow.tracking._tracking_service.utils import _get_default_host_creds

HELLO = {"messages": [{"role": "user", "content": "hello there"}]}
MINUTE = {"calls": 1, "key": "user", "renewal_period": "minute"}


class Client(MlflowGatewayClient):
    """Takes the gateway for Databricks, the only place where this client changes routes."""

    def _is_databricks_host(self):
        return True

    @property
    def _host_creds(self):
        return _get_default_host_creds(self._gateway_uri)


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", keys.KEY)
    config, state = keys.admin_of("routes", "route_type"), str(tmp_path / "state")
    with Gateway(tmp_path / "gateway", config, LOCKGATE_STATE_DIR=state) as gateway:
        yield Client(gateway.url)


def test_a_route_is_made_asked_and_deleted(client):
    route = client.create_route("made", "llm/v1/chat", {"provider": "demo", "name": "demo"})
    assert (route.name, route.route_type, route.model.provider) == ("made", "llm/v1/chat", "demo")
    assert [route.name for route in client.search_routes()] == ["filed", "made"]
    assert client.get_route("made").model.name == "demo"
    mlflow.gateway.set_gateway_uri(client.gateway_uri)
    assert mlflow.gateway.query("made", HELLO)["candidates"]
    client.delete_route("made")
    assert [route.name for route in client.search_routes()] == ["filed"]


def test_the_example_of_its_own_documentation_works(client):
    model = {"name": "gpt-4", "provider": "openai", "openai_config": {"openai_api_key": "sk-of-this-test"}}
    assert client.create_route("my-route", "llm/v1/completions", model).model.name == "gpt-4"


def test_limits_are_set_and_read(client):
    client.create_route("made", "llm/v1/chat", {"provider": "demo", "name": "demo"})
    assert client.get_limits("made").limits == []
    assert client.set_limits("made", [MINUTE]).limits[0].calls == 1
    assert client.get_limits("made").limits[0].dict() == MINUTE
    assert client.query("made", HELLO)["candidates"]
    # The client itself would wait until the limit renews.
    assert requests.post(f"{client.gateway_uri}/gateway/made/invocations", json=HELLO, timeout=10).status_code == 429
    assert client.set_limits("made", []).limits == []


def test_what_is_wrong_is_said(client):
    with pytest.raises(requests.HTTPError, match="409.*config file defines"):
        client.create_route("filed", "llm/v1/chat", {"provider": "demo"})
    with pytest.raises(requests.HTTPError, match="422.*model: Field required"):
        client.create_route("made", "llm/v1/chat")
    with pytest.raises(requests.HTTPError, match="404"):
        client.delete_route("made")
