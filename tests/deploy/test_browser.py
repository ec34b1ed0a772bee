"""The page of samples/mobile in a real browser, with MediaPipe's own package from npm."""

from __future__ import annotations

import functools
import html
import re
import shutil
import subprocess
import threading
import urllib.parse
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tfkit import AutoTokenizer, TFAutoModelForSequenceClassification, export
from tfkit.demo.shipped import small_model

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "samples" / "mobile" / "index.html"
PACKAGE = "@mediapipe/tasks-text"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --virtual-time-budget=60000"
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
TEXTS = ["What a good day.", "A naïve CAFÉ film — Zoë's DÉJÀ VU, très ennuyeux", "", "映画 👍🏽"]


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or pytest.skip("no Chromium on the PATH")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the page, the package and a model; and its address on this machine."""
    folder = tmp_path_factory.mktemp("site")
    if not shutil.which("npm"):
        pytest.skip("no npm on the PATH")
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE]
    done = subprocess.run(install, capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"npm cannot fetch {PACKAGE}: {done.stderr[-200:]}")
    (folder / "node_modules" / PACKAGE).rename(folder / "tasks-text")
    shutil.copy(PAGE, folder)
    model = TFAutoModelForSequenceClassification.from_pretrained(small_model())
    tokenizer = AutoTokenizer.from_pretrained(small_model())
    export.tflite(model, tokenizer, folder / "model.tflite", max_length=64, texts=TEXTS)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("text", TEXTS)
def test_the_page_shows_what_the_file_says(browser, site, tmp_path, text):
    folder, address = site
    url = f"{address}/index.html?{urllib.parse.urlencode({'text': text})}"
    command = [browser, *FLAGS.split(), f"--user-data-dir={tmp_path}", "--dump-dom", url]
    page = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    cells = re.findall(r"<td>([^<]+)</td><td>([\d.]+)</td>", page)
    shown = {html.unescape(label): float(score) for label, score in cells}
    classify = export.Classifier(folder / "model.tflite")
    expected = dict(zip(classify.labels, classify.scores([text])[0]))
    assert shown == pytest.approx(expected, abs=2e-4)
