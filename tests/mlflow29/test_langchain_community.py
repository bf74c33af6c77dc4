"""LangChain's classes for MLflow 2.9 and later."""

import pytest
import requests
from langchain_community.chat_models import ChatMlflow
from langchain_community.embeddings import MlflowEmbeddings
from langchain_community.llms import Mlflow
from langchain_core.messages import HumanMessage, SystemMessage


def test_a_language_model_answers(endpoints, place, greeting):
    model = Mlflow(target_uri=endpoints.url, endpoint=f"completions{place}")
    assert model.invoke("tell me") == f"{greeting} Your prompt was: tell me"


def test_parameters_and_stop_words_of_a_language_model_count(endpoints, place):
    model = Mlflow(
        target_uri=endpoints.url,
        endpoint=f"completions{place}",
        temperature=0.2,
        max_tokens=40,
        stop=["which"],
        extra_params={"top_p": 0.9},
    )
    assert model.invoke("tell me").strip() == "Hello from lockgate's demo model,"


def test_a_chat_model_answers_one_chat_or_several(endpoints, place, greeting):
    model = ChatMlflow(target_uri=endpoints.url, endpoint=f"chat{place}", temperature=0.1)
    messages = [SystemMessage(content="be brief"), HumanMessage(content="hello")]
    assert model.invoke(messages).content == f"{greeting} You said: hello"
    several = model.generate([messages, [HumanMessage(content="bye")]]).generations
    assert [answers[0].text for answers in several] == [f"{greeting} You said: {word}" for word in ("hello", "bye")]


def test_documents_become_vectors_in_their_order(endpoints, place):
    model = MlflowEmbeddings(target_uri=endpoints.url, endpoint=f"embeddings{place}")
    texts = [f"text {number}" for number in range(45)]
    vectors = model.embed_documents(texts)
    assert len(vectors) == 45
    assert [model.embed_query(texts[number]) for number in (0, 20, 44)] == [vectors[0], vectors[20], vectors[44]]


def test_an_unknown_endpoint_is_an_error_and_no_empty_answer(endpoints):
    with pytest.raises(requests.HTTPError, match="404"):
        ChatMlflow(target_uri=endpoints.url, endpoint="nope").invoke("hello")
