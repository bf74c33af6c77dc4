"""Programs that call `mlflow.deployments` on a gateway that asks for keys, with MLflow's own settings."""

import keys
import pytest
import requests
from lockgate_process import Gateway
from mlflow.deployments import get_deploy_client

HELLO = {"messages": [{"role": "user", "content": "hello there"}]}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Gateway(tmp_path_factory.mktemp("guarded"), keys.guarded("endpoints", "endpoint_type")) as gateway:
        yield gateway


@pytest.mark.parametrize(
    "settings",
    [
        {"MLFLOW_TRACKING_TOKEN": keys.KEY},
        {"MLFLOW_TRACKING_USERNAME": "somebody", "MLFLOW_TRACKING_PASSWORD": keys.KEY},
    ],
    ids=["token", "password"],
)
def test_mlflows_own_settings_are_enough(gateway, monkeypatch, settings):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    client = get_deploy_client(gateway.url)
    assert [endpoint.name for endpoint in client.list_endpoints()] == ["chat"]
    assert client.get_endpoint("chat").name == "chat"
    assert client.predict(endpoint="chat", inputs=HELLO)["choices"]
    with pytest.raises(requests.HTTPError, match="404"):
        client.predict(endpoint="hidden", inputs=HELLO)


def test_without_a_key_mlflow_says_why(gateway):
    with pytest.raises(requests.HTTPError, match="401"):
        get_deploy_client(gateway.url).predict(endpoint="chat", inputs=HELLO)
