"""What MediaPipe's own tokenizer makes of a text: a classifier whose scores are its inputs."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfkit.export.mobile.file_contents import with_files
from tfkit.export.mobile.mediapipe.metadata import INPUTS, with_metadata


def mediapipe_ids(vocabulary: list[str], length: int):
    """A function from a text to the ids int32 `[1,T]` and the mask that MediaPipe feeds."""
    from mediapipe.tasks.python import BaseOptions, text

    specs = [tf.TensorSpec([1, length], tf.int32, name=name) for name in INPUTS]

    @tf.function(input_signature=specs)
    def echo(ids, mask, segment_ids):
        numbers = 2 * ids + mask + 0 * segment_ids  # below 2**24, exact in float32
        return {"scores": tf.cast(numbers, tf.float32)}

    concrete = echo.get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
    places = [str(place) for place in range(length)]
    content = with_files(
        with_metadata(content, "Echo", "BERT", False),
        {"vocab.txt": vocabulary, "labels.txt": places},
    )
    options = text.TextClassifierOptions(BaseOptions(model_asset_buffer=content))
    classifier = text.TextClassifier.create_from_options(options)

    def ids_and_mask(string: str) -> tuple[np.ndarray, np.ndarray]:
        (head,) = classifier.classify(string).classifications
        numbers = np.zeros([1, length], np.int32)
        for category in head.categories:
            numbers[0, int(category.category_name)] = category.score
        return numbers // 2, numbers % 2

    return ids_and_mask
