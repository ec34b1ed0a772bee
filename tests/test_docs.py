"""The API reference: every public name has its place, and no link leads nowhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

import tfkit

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def builder():
    spec = importlib.util.spec_from_file_location("build", ROOT / "docs" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(builder, tmp_path_factory):
    """Page name -> its HTML."""
    written = builder.build(tmp_path_factory.mktemp("docs"))
    assert written[0].name == "index.html"
    return {path.name: path.read_text(encoding="utf-8") for path in written}


@pytest.mark.parametrize("name", tfkit._HOMES)
def test_every_public_name_is_described(pages, name):
    aliased = name.endswith("TokenizerFast")  # the same class under Hugging Face's second name
    assert aliased or any(f'id="{name}"' in text for text in pages.values())


def test_every_link_inside_leads_somewhere(pages):
    for name, text in pages.items():
        for target in re.findall(r'href="(?!https?:)([^"]+)"', text):
            page, _, anchor = target.partition("#")
            assert page in pages, f"{name} links to {target}"
            assert not anchor or f'id="{anchor}"' in pages[page], f"{name} links to {target}"


def test_arguments_examples_and_methods_are_there(pages):
    text = pages["tfkit.models.hf_model.html"]
    assert 'id="TFPreTrainedModel.from_pretrained"' in text
    assert "<dt>ignore_mismatched_sizes</dt>" in text
    inherits = 'Inherits from <a href="tfkit.models.hf_model.html#TFPreTrainedModel">'
    assert inherits in pages["tfkit.models.encoder_model.html"]
    assert "&gt;&gt;&gt; config = DistilBertConfig(" in pages["tfkit.models.distilbert.config.html"]


@pytest.mark.parametrize("room", tfkit._ROOMS)
def test_public_functions_of_private_modules_are_described_with_their_room(pages, room):
    described = set(re.findall(r'id="(\w+)"', "".join(pages.values())))
    assert set(getattr(tfkit, room).__all__) <= described
