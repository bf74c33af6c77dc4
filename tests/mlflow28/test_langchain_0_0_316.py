"""LangChain's classes for the gateway as of October 2023."""

import pytest
import requests
from langchain.chat_models import ChatMLflowAIGateway
from langchain.embeddings import MlflowAIGatewayEmbeddings
from langchain.llms import MlflowAIGateway
from langchain.schema import AIMessage, HumanMessage, SystemMessage


def test_a_language_model_answers_though_langchain_sends_nulls(classic, place, greeting):
    model = MlflowAIGateway(gateway_uri=classic.url, route=f"completions{place}")
    assert model("tell me") == f"{greeting} Your prompt was: tell me"


def test_parameters_and_stop_words_of_a_language_model_count(classic, place):
    params = {"temperature": 0.1, "max_tokens": 40}
    model = MlflowAIGateway(gateway_uri=classic.url, route=f"completions{place}", params=params)
    assert model("tell me", stop=["which"]).strip() == "Hello from lockgate's demo model,"


def test_a_chat_model_answers_with_a_message(classic, place, greeting):
    model = ChatMLflowAIGateway(gateway_uri=classic.url, route=f"chat{place}", params={"temperature": 0.1})
    answer = model([SystemMessage(content="be brief"), HumanMessage(content="hello")])
    assert isinstance(answer, AIMessage)
    assert answer.content == f"{greeting} You said: hello"


def test_documents_become_vectors_in_batches(classic, place):
    model = MlflowAIGatewayEmbeddings(gateway_uri=classic.url, route=f"embeddings{place}")
    # This class adds each batch of twenty as one item.
    batches = model.embed_documents([f"text {number}" for number in range(45)])
    assert [len(batch) for batch in batches] == [20, 20, 5]
    assert model.embed_query("text 0") == [batches[0][0]]


def test_an_unknown_route_is_an_error_and_no_empty_answer(classic):
    with pytest.raises(requests.HTTPError, match="404"):
        MlflowAIGateway(gateway_uri=classic.url, route="nope")("hello")
