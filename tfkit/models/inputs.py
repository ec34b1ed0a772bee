"""What a user hands to a model -> tensors that the encoder can take, or one clear error."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfkit.config import DistilBertConfig
from tfkit.models.losses import problem_type

# Other models of the family read it; tokenizers may give it; DistilBERT has no such input.
_IGNORED = ("token_type_ids",)
# What a list of inputs holds.
_IN_ORDER = ("input_ids", "attention_mask")


def merge(batch, named: dict) -> dict:
    """One dict of inputs, from `model(batch_dict, …)`, `model(input_ids, …)`, `model([ids, mask])`.

    Raises:
        ValueError: the dict has a key that is no input of the model.
    """
    if isinstance(batch, (list, tuple)):
        if len(batch) > len(_IN_ORDER):
            raise ValueError(
                f"Expected a list of {' and '.join(_IN_ORDER)} at most. Received {len(batch)} "
                "inputs. Pass a dict, which names them."
            )
        batch = dict(zip(_IN_ORDER, batch))
    if not isinstance(batch, dict):
        return {**named, "input_ids": batch}
    batch = {key: value for key, value in batch.items() if key not in _IGNORED}
    unknown = [key for key in batch if key not in named]
    if unknown:
        raise ValueError(
            f"Expected inputs among {', '.join(named)}. Received also: {', '.join(unknown)}. "
            "Drop them before the model sees them."
        )
    return {**named, **batch}


def token_limit(model, tokenizer, max_length: int | None = None) -> int:
    """`max_length`, or the most that both model and tokenizer take.

    Raises:
        ValueError: it is no whole number, leaves no room for a token, or exceeds the positions.
    """
    most = model.config.max_position_embeddings
    if max_length is None:
        return min(most, tokenizer.model_max_length)
    whole = isinstance(max_length, int) and not isinstance(max_length, bool)
    if not whole or not 3 <= max_length <= most:
        raise ValueError(
            f"`max_length` must be a whole number from 3 ([CLS], one token, [SEP]) to {most}, the "
            f"model's `max_position_embeddings`; received {max_length!r}."
        )
    return max_length


def check_ids(config: DistilBertConfig, ids) -> None:
    """Raises ValueError for a sequence too long, or (when the values can be seen) an id too large.

    Args: ids: int `[B,T]`, or embeddings `[B,T,D]`.
    """
    if ids is None:
        raise ValueError(
            "Expected exactly one of `input_ids` and `inputs_embeds`. Received neither or both."
        )
    embedded = keras.backend.is_float_dtype(keras.backend.standardize_dtype(ids.dtype))
    if len(ids.shape) != (3 if embedded else 2):
        raise ValueError(
            "Expected `input_ids` of shape [B,T] (or `inputs_embeds` [B,T,D]). "
            f"Received shape {tuple(ids.shape)}. For one sequence, add a batch axis: `ids[None]`."
        )
    longest, length = config.max_position_embeddings, ids.shape[1]
    if length is not None and length > longest:
        raise ValueError(
            f"Expected at most {longest} tokens, the model's `max_position_embeddings`. "
            f"Received {length}. Tokenise with `truncation=True, max_length={longest}`."
        )
    strange = None if embedded else _outside(ids, config.vocab_size)
    if strange is not None:
        raise ValueError(
            f"Expected token ids from 0 to {config.vocab_size - 1}, the model's `vocab_size` less "
            f"one. Received {strange}. "
            "The tokenizer and the model seem to be of different checkpoints."
        )


def check_labels(config: DistilBertConfig, labels) -> None:
    """Raises ValueError for a class id out of range, when the values can be seen."""
    if problem_type(config, labels) != "single_label_classification":
        return
    strange = _outside(labels, config.num_labels)
    if strange is not None:
        raise ValueError(
            f"Expected labels from 0 to {config.num_labels - 1} (`num_labels` is "
            f"{config.num_labels}). Received {strange}."
        )


def _outside(values, count: int) -> int | None:
    """One of `values` that is not from 0 to `count` - 1, where they can be seen."""
    if not isinstance(values, tf.__internal__.EagerTensor) or not values.shape.num_elements():
        return None
    values = values.numpy()  # an eager tensor's values can be seen while a function is traced, too
    least, most = int(values.min()), int(values.max())
    return least if least < 0 else most if most >= count else None
