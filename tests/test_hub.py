"""Files of a checkpoint: in a folder, in the cache, or from a hub on loopback."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub.constants
import pytest

from tfkit.hub import HubOptions, find_file

COMMIT = "0123456789012345678901234567890123456789"
FILES = {"config.json": b'{"model_type": "distilbert"}', "sub/vocab.txt": b"[PAD]\n"}


class _Hub(BaseHTTPRequestHandler):
    """Answers `GET|HEAD /{repo}/resolve/{revision}/{file}` as the Hub documents it."""

    def do_HEAD(self):
        self._answer(b"")

    def do_GET(self):
        self._answer(None)

    def _answer(self, body):
        self.server.asked.append((self.command, self.path, self.headers.get("authorization")))
        if "/resolve/" not in self.path:
            return self._send(404, {})
        owner, name, _, revision, *rest = self.path.strip("/").split("/")
        content = FILES.get("/".join(rest))
        if (owner, name) == ("us", "gated"):
            return self._send(403, {"X-Error-Code": "GatedRepo"})
        if (owner, name) != ("us", "tiny"):
            return self._send(401, {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", "v1", COMMIT):
            return self._send(404, {"X-Error-Code": "RevisionNotFound"})
        if content is None:
            return self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        self._send(200, headers, content, body)

    def _send(self, status, headers, content=b"", body=None):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body is None:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub on loopback; `hub.asked` lists its requests."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    server.options = HubOptions(cache_dir=tmp_path / "cache")
    yield server
    server.shutdown()


def test_a_folder_is_read_in_place(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert find_file(tmp_path, "config.json") == tmp_path / "config.json"
    assert find_file(str(tmp_path), "vocab.txt") is None


def test_a_name_is_downloaded_once_and_then_read_from_the_cache(hub):
    path = find_file("us/tiny", "config.json", hub.options)
    assert json.loads(path.read_text())["model_type"] == "distilbert"
    assert find_file("us/tiny", "config.json", hub.options) == path
    downloads = [path for command, path, _ in hub.asked if command == "GET" and "/resolve/" in path]
    assert downloads == ["/us/tiny/resolve/main/config.json"]


def test_revision_subfolder_and_token_reach_the_hub(hub):
    options = HubOptions(
        cache_dir=hub.options.cache_dir, revision="v1", subfolder="sub", token="secret"
    )
    assert find_file("us/tiny", "vocab.txt", options).read_bytes() == b"[PAD]\n"
    _, path, authorization = hub.asked[0]
    assert path == "/us/tiny/resolve/v1/sub/vocab.txt"
    assert authorization == "Bearer secret"


def test_a_file_that_the_repository_lacks_is_none(hub):
    assert find_file("us/tiny", "tokenizer.json", hub.options) is None


def test_offline_reads_the_cache_alone(hub, monkeypatch):
    path = find_file("us/tiny", "config.json", hub.options)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    asked = len(hub.asked)
    assert find_file("us/tiny", "config.json", hub.options) == path
    assert find_file("us/tiny", "vocab.txt", hub.options) is None
    assert len(hub.asked) == asked
    with pytest.raises(FileNotFoundError, match="not in the Hugging Face cache"):
        find_file("us/other", "config.json", hub.options)


@pytest.mark.parametrize(
    "name, revision, error, said",
    [
        ("us/nobody", None, FileNotFoundError, "neither a folder on this disk nor a repository"),
        ("us/gated", None, PermissionError, "is gated"),
        ("us/tiny", "v9", FileNotFoundError, "has no revision 'v9'"),
        ("no such/folder/here", None, FileNotFoundError, "cannot be the name of a Hub"),
    ],
)
def test_what_cannot_be_had_is_one_clear_error(hub, name, revision, error, said):
    options = HubOptions(cache_dir=hub.options.cache_dir, revision=revision)
    with pytest.raises(error, match=said):
        find_file(name, "config.json", options)


def test_a_file_in_place_of_a_folder_is_said(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(NotADirectoryError, match="Received the file"):
        find_file(tmp_path / "x", "config.json")
