"""Endpoints made and deleted with what MLflow 2.9's deployments client sends."""

import keys
import pytest
from lockgate_process import Gateway
from mlflow.deployments import get_deploy_client
from mlflow.deployments.databricks import DatabricksDeploymentClient, DatabricksEndpoint
from mlflow.gateway import MlflowGatewayClient
from mlflow.tracking._tracking_service.utils import _get_default_host_creds
from mlflow.utils.rest_utils import augmented_raise_for_status, http_request


class Client(DatabricksDeploymentClient):
    """Of MLflow's clients the one that changes endpoints, led to a gateway."""

    def _call_endpoint(self, *, method, route="", json_body=None, **_):
        creds, path = _get_default_host_creds(self.target_uri), f"/api/2.0/endpoints/{route or ''}"
        response = http_request(host_creds=creds, endpoint=path, method=method, json=json_body)
        augmented_raise_for_status(response)
        return DatabricksEndpoint(response.json())


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", keys.KEY)
    config, state = keys.admin_of("endpoints", "endpoint_type"), str(tmp_path / "state")
    with Gateway(tmp_path / "gateway", config, LOCKGATE_STATE_DIR=state) as gateway:
        yield gateway.url


def test_an_endpoint_is_made_asked_and_deleted(url):
    external = {"name": "demo", "provider": "demo", "task": "llm/v1/chat"}
    made = Client(url).create_endpoint(name="made", config={"served_entities": [{"external_model": external}]})
    assert (made.name, made.endpoint_type) == ("made", "llm/v1/chat")
    client = get_deploy_client(url)
    assert [endpoint.name for endpoint in client.list_endpoints()] == ["filed", "made"]
    inputs = {"messages": [{"role": "user", "content": "hello"}]}
    assert client.predict(endpoint="made", inputs=inputs)["choices"]
    Client(url).delete_endpoint("made")
    assert [endpoint.name for endpoint in client.list_endpoints()] == ["filed"]


def test_the_old_client_reads_limits_of_a_new_file(url):
    assert MlflowGatewayClient(url).get_limits("filed").limits == []
