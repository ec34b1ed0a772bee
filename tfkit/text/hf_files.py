"""A tokenizer's files, in the forms that checkpoints on the Hub have.

Where `special_tokens_map.json`, `added_tokens.json` or `tokenizer_config.json` differ from
`tokenizer.json` or `vocab.txt`, `tokenizer_config.json` wins, as in Transformers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfkit.hub import HubOptions, find_file, read_json
from tfkit.text.added_tokens import SPECIAL_TOKENS, AddedToken
from tfkit.text.options import OPTIONS
from tfkit.text.vocabulary import Vocabulary
from tfkit.utils.files import local_path, staged

# The first are of `tokenizer.json` alone; the rest is in `tokenizer_config.json`, too.
_OF_MODEL = {"max_input_chars_per_word": 100, "continuing_subword_prefix": "##"}
_OPTIONS = [name for name in OPTIONS if name not in _OF_MODEL]
# What checkpoints of other families have in place of a vocab.txt.
_OTHER_KINDS = ("sentencepiece.bpe.model", "spiece.model", "spm.model", "merges.txt", "vocab.json")


def read(name_or_path: str | os.PathLike, hub: HubOptions | None = None) -> dict[str, Any]:
    """The constructor's arguments for the tokenizer of a checkpoint (or of a `vocab.txt`)."""
    path = local_path(name_or_path)
    if path.is_file() and path.suffix != ".json":
        return {"vocab": Vocabulary.from_file(path)}

    whole = _json(name_or_path, "tokenizer.json", hub)
    settings = _from_tokenizer_json(whole) if whole else {}
    if not whole:
        vocabulary = find_file(name_or_path, "vocab.txt", hub)
        if vocabulary is None:
            others = [file for file in _OTHER_KINDS if find_file(name_or_path, file, hub)]
            raise FileNotFoundError(
                f"Expected 'tokenizer.json' or 'vocab.txt' in '{name_or_path}', of a WordPiece "
                "tokenizer of BERT's kind, the one kind that tfkit reads. Found "
                + (f"{', '.join(others)}, of another kind." if others else "neither.")
                + " Save one with `tokenizer.save_pretrained`."
            )
        settings["vocab"] = Vocabulary.from_file(vocabulary)
    around = {name: settings[name] for name in ("cls_token", "sep_token") if name in settings}
    for file in ("special_tokens_map.json", "tokenizer_config.json"):
        _merge(settings, _json(name_or_path, file, hub) or {})
    for name, token in around.items():
        wanted = AddedToken.of(settings[name]).content
        if wanted != token:
            raise ValueError(
                f"Expected the post_processor of tokenizer.json to put `{name}` around texts, "
                f"{wanted!r} by tokenizer_config.json. Received {token!r}. Make the files agree."
            )
    # An old form, of tokens and ids only.
    added = settings.get("added_tokens", [])
    known = {token.content for token in added} | settings["vocab"].ids.keys()
    old = (_json(name_or_path, "added_tokens.json", hub) or {}).items()
    new = [AddedToken(token, id=index) for token, index in old if token not in known]
    if new:
        settings["added_tokens"] = [*added, *sorted(new, key=lambda token: token.id)]
    return settings


def _json(name_or_path, file: str, hub: HubOptions | None) -> dict | None:
    path = find_file(name_or_path, file, hub)
    return None if path is None else read_json(path)


def _from_tokenizer_json(content: dict) -> dict[str, Any]:
    model = content.get("model") or {}
    kind = model.get("type", "BPE" if "merges" in model else "WordPiece")
    if kind != "WordPiece" or not isinstance(model.get("vocab"), dict):
        raise ValueError(
            "Expected the tokenizer.json of a WordPiece tokenizer of BERT's kind, the one kind "
            f"that tfkit reads. Received a model of type {kind!r}."
        )
    settings: dict[str, Any] = {
        "vocab": Vocabulary(model["vocab"]),
        **{name: model.get(name, default) for name, default in _OF_MODEL.items()},
        "unk_token": model.get("unk_token", "[UNK]"),
        "added_tokens": [AddedToken.from_dict(entry) for entry in content.get("added_tokens", [])],
    }
    normalizer = content.get("normalizer") or {}
    if normalizer.get("type") != "BertNormalizer" or not normalizer.get("clean_text", True):
        raise ValueError(
            "Expected the normalizer of tokenizer.json to be a BertNormalizer with clean_text. "
            f"Received: {normalizer or None}."
        )
    pre_tokenizer = (content.get("pre_tokenizer") or {}).get("type")
    if pre_tokenizer != "BertPreTokenizer":
        raise ValueError(
            "Expected the pre_tokenizer of tokenizer.json to be a BertPreTokenizer. "
            f"Received: {pre_tokenizer!r}."
        )
    settings["do_lower_case"] = normalizer.get("lowercase", True)
    settings["strip_accents"] = normalizer.get("strip_accents")
    settings["tokenize_chinese_chars"] = normalizer.get("handle_chinese_chars", True)
    ids = settings["vocab"].ids | {token.content: token.id for token in settings["added_tokens"]}
    return settings | _around(content.get("post_processor"), ids)


def _around(processor: dict | None, ids: Mapping[str, int]) -> dict[str, str]:
    """The two tokens that a post-processor puts around texts, if it does what BERT's does."""
    try:
        if processor["type"] == "BertProcessing":
            tokens = processor["cls"], processor["sep"]
        else:
            first, _, last = processor["single"]
            names = [part["SpecialToken"]["id"] for part in (first, last)]
            found = {form: processor[form] for form in ("single", "pair")}
            if processor["type"] != "TemplateProcessing" or found != _template(*names):
                raise ValueError
            tokens = [(name, *processor["special_tokens"][name]["ids"]) for name in names]
        (cls, cls_id), (sep, sep_id) = tokens
        if (ids[cls], ids[sep]) != (cls_id, sep_id):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            "Expected the post_processor of tokenizer.json to make [CLS] A [SEP] B [SEP], of the "
            "token types 0 and 1, as BERT's does, since it is the only one that tfkit computes. "
            f"Received: {json.dumps(processor)[:500]}. If the tokenizer is BERT's all the same, "
            "keep its vocab.txt and tokenizer_config.json alone."
        ) from None
    return {"cls_token": cls, "sep_token": sep}


def _template(cls: str, sep: str) -> dict[str, list[dict]]:
    """What BERT makes of one text and of two, as a TemplateProcessing writes it."""
    single = [("SpecialToken", cls, 0), ("Sequence", "A", 0), ("SpecialToken", sep, 0)]
    pair = [*single, ("Sequence", "B", 1), ("SpecialToken", sep, 1)]
    return {
        form: [{kind: {"id": name, "type_id": type_id}} for kind, name, type_id in parts]
        for form, parts in {"single": single, "pair": pair}.items()
    }


def _merge(settings: dict[str, Any], content: dict) -> None:
    """Takes up `tokenizer_config.json` or `special_tokens_map.json`."""
    settings.update({name: content[name] for name in _OPTIONS if content.get(name) is not None})
    if "strip_accents" in content:
        settings["strip_accents"] = content["strip_accents"]
    known = {token.id: token for token in settings.get("added_tokens", [])}
    for index, entry in (content.get("added_tokens_decoder") or {}).items():
        known[int(index)] = AddedToken.from_dict({**entry, "id": int(index)})
    if known:
        settings["added_tokens"] = [known[index] for index in sorted(known)]
    for name in SPECIAL_TOKENS:
        value = content.get(name)
        if isinstance(value, dict):
            value = AddedToken.from_dict({"special": True, "normalized": False, **value})
        if value is not None:
            settings[name] = value
    extra = content.get("extra_special_tokens") or content.get("additional_special_tokens") or []
    if isinstance(extra, dict):
        extra = list(extra.values())
    if extra:
        settings["extra_special_tokens"] = [
            AddedToken.from_dict({"special": True, **token}) if isinstance(token, dict) else token
            for token in extra
        ]


def write(tokenizer, folder: Path) -> tuple[str, ...]:
    """Writes all four files into a folder; see `BertTokenizer.save_pretrained`."""
    table = tokenizer.core.table
    special = dict(table.special)
    if table.extra:
        # Transformers 4 takes a list under this name alone, 5 under this one too.
        special["additional_special_tokens"] = table.extra
    # The family's class in Transformers takes the model's defaults alone.
    usual = all(getattr(tokenizer, name) == value for name, value in _OF_MODEL.items())
    config = {
        "added_tokens_decoder": {
            str(token.id): {k: v for k, v in token.to_dict().items() if k != "id"}
            for token in table.ordered()
        },
        "tokenizer_class": tokenizer.transformers_class if usual else "PreTrainedTokenizerFast",
        **{name: getattr(tokenizer, name) for name in _OPTIONS},
        **special,
    }
    files = {
        "tokenizer_config.json": config,
        "special_tokens_map.json": special,
        "tokenizer.json": _tokenizer_json(tokenizer),
    }
    with staged(folder) as stage:
        for name, content in files.items():
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            (stage / name).write_text(text, encoding="utf-8", newline="\n")
        write_vocabulary(tokenizer, stage / "vocab.txt")
    return tuple(str(folder / name) for name in (*files, "vocab.txt"))


def write_vocabulary(tokenizer, path: Path) -> None:
    """Writes the base vocabulary, a token a line."""
    lines = tokenizer.core.table.vocabulary.lines()
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _tokenizer_json(tokenizer) -> dict[str, Any]:
    table = tokenizer.core.table
    cls, sep = tokenizer.cls_token, tokenizer.sep_token
    model = {name: getattr(tokenizer, name) for name in _OF_MODEL}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [token.to_dict() for token in table.ordered()],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": tokenizer.tokenize_chinese_chars,
            "strip_accents": tokenizer.strip_accents,
            "lowercase": tokenizer.do_lower_case,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            **_template(cls, sep),
            "special_tokens": {
                token: {"id": token, "ids": [table.id(token)], "tokens": [token]}
                for token in (cls, sep)
            },
        },
        "decoder": {
            "type": "WordPiece",
            "prefix": tokenizer.continuing_subword_prefix,
            "cleanup": True,
        },
        "model": {
            "type": "WordPiece",
            "unk_token": tokenizer.unk_token,
            **model,
            "vocab": table.vocabulary.ids,
        },
    }
