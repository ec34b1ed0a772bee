"""The client, against the stand-in server."""

from __future__ import annotations

import http.server
import threading

import pytest

from tests.deploy.small import LABELS, TEXTS
from tests.deploy.stand_in import grpc_server, rest_server
from tfkit.export.client import ServerError, ask
from tfkit.export.served import ServedModel


@pytest.fixture(scope="module")
def served(everything):
    with ServedModel(everything.path) as process:
        yield process


@pytest.fixture
def addresses(served):
    pytest.importorskip("tensorflow_serving", reason="extra `serving` is not installed")
    with rest_server(served, "film") as rest, grpc_server(served, "film") as grpc:
        yield {"rest": f"http://{rest}/v1/models/film", "grpc": f"grpc://{grpc}/film"}


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_texts_get_labels_and_scores(addresses, expected, protocol):
    answers = ask(addresses[protocol], TEXTS)
    for answer, scores in zip(answers, expected, strict=True):
        assert answer["scores"] == pytest.approx(scores, abs=1e-5)
        assert answer["score"] == pytest.approx(scores.max(), abs=1e-5)
        assert answer["label"] == LABELS[scores.argmax()]


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_the_servers_error_is_passed_on(addresses, protocol):
    with pytest.raises(ServerError, match="refused the request: .*(Malformed|NOT_FOUND)"):
        ask(addresses[protocol].replace("film", "book"), TEXTS)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1/models/film", "grpc://127.0.0.1:9/film"])
def test_a_server_that_is_not_there(url):
    if url.startswith("grpc"):
        pytest.importorskip("tensorflow_serving", reason="extra `serving` is not installed")
    with pytest.raises(ServerError, match="No answer|UNAVAILABLE"):
        ask(url, TEXTS, timeout=5)


def test_a_server_of_another_kind():
    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(ServerError, match="gave no predictions"):
            ask(f"http://127.0.0.1:{server.server_port}/v1/models/film", TEXTS)
        thread.join()


@pytest.mark.parametrize(
    "url",
    ["localhost:8501", "http://localhost:8501", "grpc://host/film", "ftp://h:1/m", "grpc://h:1/"],
)
def test_an_address_of_another_form_is_one_sentence(url):
    with pytest.raises(ValueError, match="Expected a server's address, http://HOST:8501"):
        ask(url, TEXTS)
