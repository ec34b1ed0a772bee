"""The client, against the stand-in server."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
import time

import pytest
import tensorflow as tf

from tests.deploy.small import LABELS, TEXTS
from tests.deploy.stand_in import model_server, rest, rpc
from tfkit.cli import main
from tfkit.export.serving.client import ServerError, ask


@pytest.fixture(scope="module")
def addresses(server):
    with rpc(server) as address:
        yield {
            "rest": f"http://{server.address}/v1/models/film",
            "grpc": f"grpc://{address}/film",
        }


BOTH = pytest.mark.parametrize("protocol", ["rest", "grpc"])


@BOTH
@pytest.mark.parametrize("batch_size", [32, 4])
def test_texts_get_labels_and_scores_in_one_request_or_several(
    addresses, expected, protocol, batch_size
):
    answers = ask(addresses[protocol], TEXTS, batch_size=batch_size)
    for answer, scores in zip(answers, expected, strict=True):
        assert answer["scores"] == pytest.approx(scores, abs=1e-5)
        assert answer["score"] == pytest.approx(scores.max(), abs=1e-5)
        assert answer["label"] == LABELS[scores.argmax()]


@BOTH
def test_a_version_may_be_named(addresses, protocol):
    url = addresses[protocol]
    assert ask(f"{url}/versions/1", ["good"]) == ask(url, ["good"])
    with pytest.raises(ServerError, match=r"Servable not found for request: Specific\(film, 7\)"):
        ask(f"{url}/versions/7", ["good"])
    with pytest.raises(ServerError, match="Unrecognized servable version label: canary"):
        ask(f"{url}/labels/canary", ["good"])


@BOTH
@pytest.mark.parametrize("end", [":predict", "/", "/versions/1:predict"])
def test_an_address_may_end_as_requests_do(addresses, protocol, end):
    assert ask(addresses[protocol] + end, ["good"]) == ask(addresses[protocol], ["good"])


@BOTH
def test_another_model_with_a_signature_of_that_name_is_told_apart(tmp_path, protocol):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def lengths(text):
        return {"length": tf.strings.length(text)}

    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"text": lengths})
    ports = {"rest": (rest, "http://{}/v1/models/long"), "grpc": (rpc, "grpc://{}/long")}
    serve, url = ports[protocol]
    unknown = pytest.raises(ServerError, match="Is that the name of another model")
    with model_server("long", tmp_path) as server, serve(server) as address, unknown:
        ask(url.format(address), ["good", "bad"])


def test_of_a_version_that_is_not_there_it_says_which_are(addresses):
    with pytest.raises(ServerError, match="it has: version 1 AVAILABLE"):
        ask(f"{addresses['rest']}/versions/7", ["good"])
    with pytest.raises(ServerError, match="no model of that name"):
        ask(addresses["rest"].replace("film", "book"), ["good"])


@BOTH
def test_the_servers_error_is_passed_on(addresses, protocol):
    with pytest.raises(ServerError, match="refused the request: .*Servable not found"):
        ask(addresses[protocol].replace("film", "book"), TEXTS)


@BOTH
def test_texts_of_any_kind(addresses, protocol):
    answers = ask(addresses[protocol], ["half a pair \ud800", "a\x00b", "", "😍"])
    assert len(answers) == 4 and ask(addresses[protocol], []) == []
    clean = ask(addresses[protocol], ["half a pair "])
    assert answers[0]["scores"] == pytest.approx(clean[0]["scores"], abs=1e-6)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/v1/models/film", "grpc://127.0.0.1:9/film", "grpcs://127.0.0.1:9/f"]
)
def test_a_server_that_is_not_there(url):
    with pytest.raises(ServerError, match="No answer from .* Is the server running"):
        ask(url, TEXTS, timeout=5)


def test_a_string_is_no_list_of_texts():
    with pytest.raises(TypeError, match=r"Expected a list of texts. Received one: 'good'"):
        ask("http://127.0.0.1:9/v1/models/film", "good")


@pytest.mark.parametrize("odd", [b"caf\xe9", 1, None, ["good"]])
def test_what_is_no_string_among_texts_is_named(odd):
    with pytest.raises(TypeError, match=r"Expected a list of texts. Received, among 2, ") as said:
        ask("http://127.0.0.1:9/v1/models/film", ["good", odd])
    assert repr(odd) in str(said.value)


@contextlib.contextmanager
def answering(content: bytes, status: int = 200, wait: float = 0.0):
    """A server that answers the same to everything."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(wait)
            self.send_response(status)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(content)

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


GOOD = b'{"label": "bad", "score": 0.75, "scores": [0.75, 0.25]}'


def six_of(answer: bytes) -> bytes:
    return b'{"predictions": [%s]}' % b", ".join([answer] * 6)


ANSWERS = [
    (b"<html>", 200, "gave no predictions: is it TF Serving's REST port"),
    (b"[]", 200, "gave no predictions"),
    (b'{"predictions": [%s]}' % GOOD, 200, "gave 1 answers to 6 texts"),
    (b'{"predictions": {"a": 1}}', 200, "Is that the name of another model"),
    (b'{"predictions": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}', 200, "gave \\[1.0, 2.0, "),
    (six_of(b"[0.1, 0.9]"), 200, "gave \\[\\[0.1, 0.9\\], "),
    (
        six_of(GOOD.replace(b"0.75", b"NaN")),
        200,
        "1 of 1 .* finite scores. Received nan for class 0",
    ),
    (six_of(GOOD.replace(b"0.25", b"-Infinity")), 200, "Received -inf for class 1 of text 1, '"),
    (six_of(GOOD.replace(b"0.75", b"1" + b"0" * 400)), 200, "another model"),
    (six_of(GOOD.replace(b"0.75", b"null")), 200, "another model"),
    (six_of(GOOD.replace(b"0.75", b'"NaN"')), 200, "another model"),
    (six_of(GOOD.replace(b'"score": 0.75', b'"score": 0.25')), 200, "another model"),
    (six_of(GOOD)[:-2] + b", " + GOOD.replace(b"0.25", b"0.1, 0.1") + b"]}", 200, "gave 7 answers"),
    (six_of(GOOD.replace(b'"bad"', b"1")), 200, "another model"),
    (b"[" * 100_000, 200, "gave no predictions"),
    (b'{"error": null}', 400, "refused the request: status 400"),
    (b'{"error": {"code": 5}}', 404, "status 404 Not Found. The server has no model of that name"),
    (b"[]", 404, "status 404 Not Found. The server has no model of that name"),
    (b"Bad gateway", 502, "refused the request: status 502 Bad Gateway"),
    (b'{"error": "Task size 6 is larger than maximum input batch size 4"}', 400, "`batch_size`"),
    (b'{"error": "Serving signature name: \\"text\\" not found in signature def"}', 400, "Export"),
]


@pytest.mark.parametrize("content, status, message", ANSWERS)
def test_what_a_server_may_say_instead(content, status, message):
    with answering(content, status) as address, pytest.raises(ServerError, match=message):
        ask(f"http://{address}/v1/models/film", TEXTS)


@pytest.mark.parametrize(
    "sent",
    [b"\0\0\x18\4\0\0\0\0", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"],
    ids=["grpc", "half"],
)
def test_what_is_no_http_or_half_an_answer(sent):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with server.accept()[0] as connection:
                connection.recv(1 << 16)
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1 << 16)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1/models/film"
        with pytest.raises(ServerError, match="gave no predictions: is it TF Serving's REST port"):
            ask(url, TEXTS)
        thread.join()


def test_a_server_that_takes_too_long():
    with answering(b"", wait=1.0) as address, pytest.raises(ServerError, match="within 0.2 s"):
        ask(f"http://{address}/v1/models/film", TEXTS, timeout=0.2)


def test_tls_where_there_is_none():
    with answering(b"") as address, pytest.raises(ServerError, match=r"No answer .*SSL"):
        ask(f"https://{address}/v1/models/film", TEXTS, timeout=5)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8501",
        "http://localhost:8501",
        "http://localhost:8501/film",
        "grpc://host/film",
        "ftp://h:1/m",
        "grpc://h:1/",
        "grpc://h:1/v1/models/film",
        "http://h:1/v1/models/film:classify",
        "http://h:1/v1/models/film/:predict",
    ],
)
def test_an_address_of_another_form_is_one_sentence(url):
    with pytest.raises(ValueError, match="Expected a server's address, http://HOST:8501"):
        ask(url, TEXTS)


@BOTH
def test_the_command_asks_a_server(addresses, protocol, capsys):
    assert main(["predict", "good film", "bad", "--server", addresses[protocol], "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["text"] for line in lines] == ["good film", "bad"]
    expected = ask(addresses[protocol], ["good film", "bad"])
    assert [line["labels"][0]["label"] for line in lines] == [row["label"] for row in expected]
    assert main(["predict", "good", "--server", addresses[protocol].replace("film", "book")]) == 1
    assert "refused the request" in capsys.readouterr().err
