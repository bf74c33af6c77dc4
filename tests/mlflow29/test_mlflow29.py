"""MLflow 2.9 in its year of change: the new client, and the old one on a new server."""

import mlflow.gateway
from mlflow.deployments import get_deploy_client


def test_the_deployments_client_of_2_9_reads_the_endpoints_of_today(endpoints, greeting):
    client = get_deploy_client(endpoints.url)
    assert [endpoint.name for endpoint in client.list_endpoints()][:3] == ["chat", "completions", "embeddings"]
    assert client.get_endpoint("chat").endpoint_type == "llm/v1/chat"
    inputs = {"messages": [{"role": "user", "content": "hello"}]}
    answer = client.predict(endpoint="chat", inputs=inputs)
    assert answer["choices"][0]["message"]["content"] == f"{greeting} You said: hello"


def test_the_old_functions_still_find_and_query_routes_of_a_new_file(endpoints, greeting):
    mlflow.gateway.set_gateway_uri(endpoints.url)
    assert mlflow.gateway.get_route("chat").route_type == "llm/v1/chat"
    answer = mlflow.gateway.query("chat", {"messages": [{"role": "user", "content": "hello"}]})
    assert answer["choices"][0]["message"]["content"] == f"{greeting} You said: hello"
