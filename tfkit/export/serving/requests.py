"""What to ask each signature, and what the Keras model says to the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfkit.export.answers import KerasAnswers
from tfkit.utils.strings import utf8


def example(text: str | bytes) -> bytes:
    """A serialised tf.Example with the feature `text`."""
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[utf8(text)]))
    features = tf.train.Features(feature={"text": feature})
    return tf.train.Example(features=features).SerializeToString()


# Signatures whose only input is strings, with what makes such a string of a text.
STRINGS = {"text": lambda text: text, "classify": example, "embed": lambda text: text}


def strings(texts: Sequence[str | bytes], make=STRINGS["text"]) -> np.ndarray:
    """An array of objects: numpy's own strings would lose NULs at the end."""
    array = np.empty(len(texts), dtype=object)
    array[:] = [make(text) for text in texts]
    return array


def inputs_for(signature: str, texts: Sequence[str], keras: KerasAnswers | None) -> Mapping:
    """The tensors that ask `signature` about `texts`; pairs take the same texts, turned round."""
    if signature in STRINGS:
        name = "inputs" if signature == "classify" else "text"
        return {name: strings(texts, STRINGS[signature])}
    if signature == "text_pair":
        return {"text": strings(texts), "text_pair": strings(texts[::-1])}
    return {name: value.numpy() for name, value in keras.padded(texts).items()}


def expected_for(signature: str, texts: Sequence[str], keras: KerasAnswers) -> np.ndarray:
    """What the Keras model answers to `inputs_for(signature, texts)`: scores, or embeddings."""
    if signature == "embed":
        return keras.embeddings(texts)
    return keras.scores(texts, texts[::-1] if signature == "text_pair" else None)
