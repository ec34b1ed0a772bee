"""Files of a checkpoint: in a folder, in the cache, or from a hub on loopback."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub.constants
import huggingface_hub.file_download
import numpy as np
import pytest

from tfkit import AutoTokenizer, DistilBertTokenizer, TFAutoModelForSequenceClassification
from tfkit.hub import HubOptions, find_file, upload

COMMIT = "0123456789012345678901234567890123456789"
FILES = {"config.json": b'{"model_type": "distilbert"}', "sub/vocab.txt": b"[PAD]\n"}


class _Hub(BaseHTTPRequestHandler):
    """Answers `GET|HEAD /{repo}/resolve/{revision}/{file}`, and the requests of an upload (create,
    validate the card, preupload, commit), as huggingface_hub makes them.
    """

    def do_HEAD(self):
        self._answer(b"")

    def do_GET(self):
        self._answer(None)

    def _answer(self, body):
        self.server.asked.append((self.command, self.path, self.headers.get("authorization")))
        if self.path.startswith("/api/models/us/tiny/revision/"):
            return self._send(200, {}, json.dumps({"id": "us/tiny"}).encode(), body)
        if "/resolve/" not in self.path:
            return self._send(404, {})
        owner, name, _, revision, *rest = self.path.strip("/").split("/")
        content = self.server.files.get("/".join(rest))
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

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, self.headers.get("authorization")))
        if self.headers.get("authorization") != "Bearer writer":
            return self._send(403, {}, b'{"error": "read-only token"}')
        lines = [json.loads(line) for line in body.splitlines()]
        address = f"http://{self.headers['Host']}/us/tiny"
        if self.path == "/api/repos/create":
            answer = {"url": address, "name": "us/tiny"}
        elif self.path.startswith("/api/models/us/tiny/preupload/"):
            files = [{"path": file["path"], "uploadMode": "regular"} for file in lines[0]["files"]]
            answer = {"files": [{**file, "shouldIgnore": False} for file in files]}
        elif self.path == "/api/validate-yaml":
            answer = {"errors": [], "warnings": []}
        else:
            assert self.path.startswith("/api/models/us/tiny/commit/")
            self.server.files |= {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            answer = {"commitUrl": f"{address}/commit/{COMMIT}", "commitOid": COMMIT}
        self._send(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

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


def forget_sessions() -> None:
    """huggingface_hub before 1.0 looks at HF_HUB_OFFLINE once a session, and keeps the session."""
    from huggingface_hub.utils import _http

    getattr(_http, "reset_sessions", lambda: None)()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub on loopback: `hub.files` are its repository's, `hub.asked` lists its requests."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.asked, server.files = [], dict(FILES)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    for module in (huggingface_hub.constants, huggingface_hub.file_download):
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    forget_sessions()
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
    forget_sessions()
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


# === Models ===

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
IDS = np.array([[2, 5, 6, 3]])


def downloads(hub) -> set[str]:
    """Names of the files that were fetched, not merely asked about."""
    got = {path for command, path, _ in hub.asked if command == "GET" and "/resolve/" in path}
    return {path.rsplit("/", 1)[1] for path in got} & {name.split("/")[-1] for name in hub.files}


def serve(hub, folder) -> None:
    hub.files = {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_model_downloads_the_files_that_it_needs_alone(hub, tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "m")
    for name in ("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"):
        (tmp_path / "m" / name).write_bytes(b"large")
    serve(hub, tmp_path / "m")
    again = TFAutoModelForSequenceClassification.from_pretrained("us/tiny", **vars(hub.options))
    assert downloads(hub) == {"config.json", "model.safetensors"}
    assert (again(IDS).logits.numpy() == tiny_model(IDS).logits.numpy()).all()


def test_a_sharded_model_downloads_all_its_shards(hub, tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "m", max_shard_size="6KB")
    serve(hub, tmp_path / "m")
    again = TFAutoModelForSequenceClassification.from_pretrained("us/tiny", **vars(hub.options))
    assert downloads(hub) == {*hub.files} - {"README.md"}
    assert (again(IDS).logits.numpy() == tiny_model(IDS).logits.numpy()).all()
    lost = max(name for name in hub.files if name.endswith("safetensors"))
    del hub.files[lost]
    options = {**vars(hub.options), "cache_dir": tmp_path / "another cache"}
    with pytest.raises(FileNotFoundError, match=f"Missing: {lost}"):
        TFAutoModelForSequenceClassification.from_pretrained("us/tiny", **options)


def test_a_model_is_pushed_and_comes_back(hub, tiny_model):
    hub.files = {}
    address = tiny_model.push_to_hub(
        "us/tiny", token="writer", tokenizer=DistilBertTokenizer(WORDS), max_shard_size="6KB"
    )
    assert address.endswith(f"/us/tiny/commit/{COMMIT}")
    assert {"README.md", "config.json", "vocab.txt", "tokenizer_config.json"} <= {*hub.files}
    assert b"# tiny\n" in hub.files["README.md"]
    again = TFAutoModelForSequenceClassification.from_pretrained("us/tiny", **vars(hub.options))
    assert (again(IDS).logits.numpy() == tiny_model(IDS).logits.numpy()).all()
    assert AutoTokenizer.from_pretrained("us/tiny", **vars(hub.options))("good").input_ids == [
        2, 5, 3
    ]  # fmt: skip


def test_a_tokenizer_is_pushed_and_comes_back(hub):
    hub.files = {}
    address = DistilBertTokenizer(WORDS).push_to_hub("us/tiny", token="writer")
    assert address.endswith(f"/us/tiny/commit/{COMMIT}")
    assert {"vocab.txt", "tokenizer.json"} <= {*hub.files}
    assert AutoTokenizer.from_pretrained("us/tiny", **vars(hub.options))("good").input_ids == [
        2, 5, 3
    ]  # fmt: skip


def test_a_card_that_the_repository_has_stays(hub, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "README.md").write_text("new")
    (tmp_path / "new" / "config.json").write_text("{}")
    hub.files = {"README.md": b"mine"}
    upload(tmp_path / "new", "us/tiny", commit_message="Change", token="writer")
    assert hub.files == {"README.md": b"mine", "config.json": b"{}"}


def test_a_token_that_may_not_write_is_one_clear_error(hub, tiny_model):
    with pytest.raises(PermissionError, match="may write to 'us/tiny'. The Hub answered 403"):
        tiny_model.push_to_hub("us/tiny", token="reader")
