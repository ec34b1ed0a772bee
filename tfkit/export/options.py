"""Checks of what a caller asks for, before anything slow begins."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfkit.models.hf_model import TFPreTrainedModel
from tfkit.tasks.compatibility import check_answers_texts
from tfkit.text.tokenizer import BertTokenizer
from tfkit.utils.files import local_path
from tfkit.utils.strings import list_of

# What an export is checked on when the caller gives no texts.
SAMPLE_TEXTS = (
    "We are very happy with how this turned out.",
    "The second half drags, and the ending is worse.",
    "not bad at all",
    "I waited three weeks for a refund; nobody answered my e-mails!",
    "",
    "   \t\n ",
    "ok",
    "CAPITALS, mixedCase and ALL-the-rest",
    "Café crème à l'hôtel: déjà vu, naïve façade",
    "Die Straße war größer als über den Fluß",
    "это было лучше, чем я ожидал",
    "映画はとても面白かったです。また見たい",
    "이 영화는 정말 재미있었어요",
    "كان الفيلم رائعا جدا",
    "great 👍🏽 loved it 😍😍 🇰🇷 👩‍👩‍👧",
    "price: $1,299.99 (20% off) -> https://example.com/?a=b&c=d #deal @shop",
    "a zero\x00byte, a replacement \ufffd and a soft\u00adhyphen",
    "[CLS] words that look special [SEP] [MASK] [PAD]",
    "supercalifragilisticexpialidocious" * 5,
    "It goes on and on, and it could have been told in half the time. " * 60,
)


def check_choice(name: str, value, allowed: Iterable) -> None:
    """Raises ValueError unless `value` is one of `allowed`."""
    allowed = list(allowed)
    if value not in allowed:
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, allowed))}; received {value!r}."
        )


def check_signature_options(signatures: Mapping[str, type], options: Mapping) -> None:
    """Raises TypeError for an option that none of the signatures has."""
    known = dict.fromkeys(key for kind in signatures.values() for key in kind.options)
    if unknown := [key for key in options if key not in known]:
        raise TypeError(
            f"Expected no option but those of {', '.join(signatures)}: "
            f"{', '.join(known) or 'they have none'}. Received {', '.join(unknown)}."
        )


def check_one_line_labels(model) -> None:
    """Raises ValueError for a label that a file with one label per line cannot hold."""
    for index, label in model.config.id2label.items():
        lines = label.splitlines()
        if lines != [label.strip()] or "\0" in label:  # at which C++ ends a string
            raise ValueError(
                "Labels must be one line each, not empty, without NUL or surrounding blanks, "
                f"since the file holds one label per line; received {label!r} for class {index}. "
                "Rename it in `model.config.id2label`."
            )


def check_exportable(model) -> None:
    """Raises ValueError for two classes of one label, and for weights that are not finite."""
    first: dict[str, int] = {}
    for index, label in model.config.id2label.items():
        if first.setdefault(label, index) != index:
            raise ValueError(
                f"Labels must differ, since answers name them; received {label!r} for the classes "
                f"{first[label]} and {index}. Rename one in `model.config.id2label`."
            )
    for weight in model.weights:
        if not np.isfinite(np.asarray(tf.cast(weight.value, tf.float32))).all():
            raise ValueError(
                f"Expected finite weights. Received NaN or infinity in '{weight.path}'. The file "
                "is damaged, or training diverged: train again, with a lower learning rate."
            )


def check_tokenizer(model, tokenizer) -> None:
    """Raises TypeError for others than tfkit's, ValueError for ids that have no embedding.
    TensorFlow would refuse such a text when it comes, LiteRT give an arbitrary answer.
    """
    for name, value, kind in (
        ("model", model, TFPreTrainedModel),
        ("tokenizer", tokenizer, BertTokenizer),
    ):
        if not isinstance(value, kind):
            raise TypeError(
                f"Expected `{name}` to be one that tfkit made or loaded with `from_pretrained`. "
                f"Received a {type(value).__name__}: {value!r:.60}."
            )
    if not model.signatures:
        check_answers_texts(model)
    largest = max(tokenizer.get_vocab().values())
    if largest >= model.config.vocab_size:
        raise ValueError(
            f"Expected the model's own tokenizer: its ids end at {model.config.vocab_size - 1}. "
            f"Received a tokenizer with ids up to {largest}. For new tokens, first call "
            "`model.resize_token_embeddings(len(tokenizer))` and train."
        )


def writable_folder(path: str | os.PathLike) -> Path:
    """The path, if it is a folder that can be written to or created; else an OSError says why."""
    path = local_path(path)
    whole = path.absolute()
    nearest = next(parent for parent in (whole, *whole.parents) if parent.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"Cannot write to '{path}': '{nearest}' is a file, not a folder.")
    try:
        tempfile.TemporaryDirectory(dir=nearest).cleanup()
    except OSError as error:
        raise PermissionError(
            f"Cannot write to '{path}': nothing can be created in '{nearest}' ({error.strerror})."
        ) from None
    return path


def writable_file(path: str | os.PathLike) -> Path:
    """The path, if a file can be written there; else an OSError says why."""
    path = local_path(path)
    if path.is_dir():
        raise IsADirectoryError(f"Expected a file to write. Received the folder '{path}'.")
    writable_folder(path.parent)
    return path


def texts_or_sample(texts: Sequence[str] | None) -> list[str]:
    """The caller's texts, a list of one at least, or `SAMPLE_TEXTS` for None."""
    if texts is None:
        return list(SAMPLE_TEXTS)
    if isinstance(texts, (str, bytes)) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"`texts` must be a list of strings; received {texts!r:.80}.")
    if not len(texts):
        raise ValueError(
            "`texts` must hold at least one text to check the export on; received none. "
            "Leave it out to check on built-in samples."
        )
    return list_of(texts)
