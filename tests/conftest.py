"""What all suites share: the gateways, and clients that do not wait long."""

import os

# Read when the clients are imported. One quick retry instead of minutes of them.
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
os.environ["MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"] = "0"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["NO_PROXY"] = "127.0.0.1"
for unwanted in ("MLFLOW_GATEWAY_URI", "MLFLOW_DEPLOYMENTS_TARGET", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
    os.environ.pop(unwanted, None)

import configs
import pytest
from lockgate_process import Gateway


@pytest.fixture(scope="session")
def behind(tmp_path_factory):
    """The gateway that plays the provider."""
    with Gateway(tmp_path_factory.mktemp("behind"), configs.behind()) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def classic(tmp_path_factory, behind):
    """The gateway in front, with a file as MLflow 2.5 to 2.8 had it."""
    with Gateway(tmp_path_factory.mktemp("classic"), configs.classic(behind.url)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def endpoints(tmp_path_factory, behind):
    """The gateway in front, with a file as MLflow 2.9 has it."""
    with Gateway(tmp_path_factory.mktemp("endpoints"), configs.endpoints(behind.url)) as gateway:
        yield gateway


@pytest.fixture(params=["", "-far"], ids=["answered-here", "through-a-provider"])
def place(request):
    """What the name of a route ends in: answered in the gateway's process, or over HTTP."""
    return request.param


@pytest.fixture
def greeting():
    """What every answer of the demo provider begins with."""
    return "Hello from lockgate's demo model, which needs no key and no network."
