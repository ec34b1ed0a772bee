"""What a user hands to a model -> tensors that the encoder can take, or one clear error."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfkit.models.config import EncoderConfig
from tfkit.utils.keras_backend import keras
from tfkit.utils.values import is_whole, outside, plain

# Input -> the shapes that it may have, of padded and of unpadded batches; B, T and N are those of
# the ids or embeddings.
_SHAPES = {
    "attention_mask": ("BT",),
    "token_type_ids": ("BT", "N"),
    "position_ids": ("BT", "1T"),
    "lengths": ("B",),
    "labels": ("B", "B*"),
    "start_positions": ("B",),
    "end_positions": ("B",),
}
TENSORS = (*_SHAPES, "input_ids", "inputs_embeds")


def as_tensors(value):
    """What Keras takes as it is, or the array of a list; no strings, no rows of several lengths."""
    if isinstance(value, dict):
        return {key: as_tensors(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)) and any(hasattr(each, "shape") for each in value):
        return [as_tensors(each) for each in value]
    ragged = isinstance(value, tf.RaggedTensor)
    if isinstance(value, (list, tuple)):
        try:
            value = np.asarray(value)
        except ValueError:
            ragged = True
    if ragged:
        raise ValueError(
            "Expected rows of one length. Received rows of several. Pad them: "
            '`tokenizer(texts, padding=True, return_tensors="tf")`, or `ids.to_tensor()` of a '
            "RaggedTensor with the mask `tf.sequence_mask(ids.row_lengths())`."
        )
    kind = getattr(value, "dtype", None)
    if (
        isinstance(value, (str, bytes))
        or kind == tf.string
        or getattr(kind, "kind", None) in {"O", "S", "U"}
    ):
        raise TypeError(
            "Expected token ids. Received strings, or other objects than numbers. Tokenise texts "
            'first: `model(**tokenizer(texts, padding=True, return_tensors="tf"))`, or put '
            "`tokenizer.as_layer()` before the model."
        )
    return value


def check_shapes(inputs: dict, tokens) -> None:
    """Raises ValueError for an input of another shape than the ids, where shapes are known."""
    lengths, layout = inputs.get("lengths"), "[B,T,…]"
    if tokens is None:
        return  # `check_ids` says it
    if lengths is not None:
        layout = "[N,…]"
        sizes = {"B": [*lengths.shape, None][0], "N": [*tokens.shape, None][0], "*": None}
    elif len(tokens.shape) < 2:
        return
    else:
        sizes = {"B": tokens.shape[0], "T": tokens.shape[1], "1": 1, "*": None}
    for name, forms in _SHAPES.items():
        if inputs.get(name) is None:
            continue
        shape = tuple(inputs[name].shape)
        possible = [form for form in forms if sizes.keys() >= {*form}]
        if not any(_fits(shape, [sizes[axis] for axis in form]) for form in possible):
            forms = possible or forms
            expected = " or ".join(f"[{','.join(form)}]" for form in forms)
            raise ValueError(
                f"Expected `{name}` of shape {expected}, where the ids or embeddings are "
                f"{layout} = {tuple(tokens.shape)}. Received shape {shape}. Give all inputs of the "
                "same texts, padded alike."
            )


def _fits(shape, expected) -> bool:
    known = zip(shape, expected, strict=False)
    return len(shape) == len(expected) and all(None in pair or len({*pair}) == 1 for pair in known)


def pad(tokens, lengths) -> tuple:
    """Tokens laid end to end, `[N]` or `[N,D]`, -> `[B,T]` or `[B,T,D]`, and their mask `[B,T]`."""
    rows = tf.RaggedTensor.from_row_lengths(tokens, lengths, validate=False)
    return rows.to_tensor(), tf.sequence_mask(lengths, dtype=tf.int32)


def shaped_as(mask, tokens):
    """A mask in the shape of the tokens: in a graph, one of other sizes would be broadcast."""
    if mask is None or tokens is None or None not in (*mask.shape[:2], *tokens.shape[:2]):
        return mask  # `check_shapes` has seen it
    # Sizes that can be broadcast to the tokens', and are as many numbers, are the tokens' own.
    return tf.reshape(tf.broadcast_to(mask, tf.shape(tokens)[:2]), tf.shape(mask))


def merge(batch, named: dict, in_order: tuple[str, ...]) -> dict:
    """One dict of inputs, of `model(batch_dict, …)`, `model(ids, …)` or `model([ids, mask])`."""
    if isinstance(batch, (list, tuple)):
        if len(batch) > len(in_order):
            raise ValueError(
                f"Expected a list of {' and '.join(in_order)} at most. Received {len(batch)} "
                "inputs. Pass a dict, which names them."
            )
        batch = dict(zip(in_order, batch))
    if not isinstance(batch, dict):
        return {**named, "input_ids": batch}
    unknown = [key for key in batch if key not in named]
    if unknown:
        raise ValueError(
            f"Expected inputs among {', '.join(named)}. Received also: {', '.join(unknown)}. "
            "Drop them before the model sees them."
        )
    return {**named, **batch}


def takes_token_types(model) -> bool:
    """Whether a model of tfkit, or another Keras model, is to be given `token_type_ids`."""
    return "token_type_ids" in getattr(model, "model_input_names", ())


def tells_texts_apart(model) -> bool:
    """Whether the model's token types say which text of a pair a token is of."""
    return takes_token_types(model) and model.config.type_vocab_size > 1


def check_pairs(model) -> None:
    """Raises ValueError for a model with a token type for the first text of a pair alone."""
    if takes_token_types(model) and not tells_texts_apart(model):
        raise ValueError(
            "Expected single texts: the model's `type_vocab_size` is "
            f"{model.config.type_vocab_size}, so that the second text of a pair has no token type. "
            "Received pairs."
        )


def token_limit(model, tokenizer, max_length: int | None = None) -> int:
    """`max_length`, which must fit both model and tokenizer, or the most that both take."""
    config = getattr(model, "config", None)  # models of others may have none, and no limit
    most = getattr(config, "max_position_embeddings", tokenizer.model_max_length)
    if max_length is None:
        return min(most, tokenizer.model_max_length)
    max_length = plain(max_length)
    if not is_whole(max_length, 3) or max_length > most:
        raise ValueError(
            f"`max_length` must be an integer from 3 ([CLS], one token, [SEP]) to {most}, the "
            f"model's `max_position_embeddings`; received {max_length!r}."
        )
    return max_length


def check_ids(config: EncoderConfig, ids, lengths=None) -> None:
    """Raises ValueError for a sequence too long, or (when its value is known) an id too large."""
    if ids is None:
        raise ValueError(
            "Expected exactly one of `input_ids` and `inputs_embeds`. Received neither or both."
        )
    embedded = keras.backend.is_float_dtype(keras.backend.standardize_dtype(ids.dtype))
    unpadded = lengths is not None
    if len(ids.shape) != 2 + embedded - unpadded:
        remedy = "For one sequence, add a batch axis: `ids[None]`."
        if embedded:
            remedy = "Ids are integers: cast them to int32."
        elif len(ids.shape) != 1:
            remedy = "Put all sequences into one axis."
        raise ValueError(
            "Expected integer `input_ids` of shape [B,T] (or float `inputs_embeds` [B,T,D]). "
            f"Received {keras.backend.standardize_dtype(ids.dtype)} of shape {tuple(ids.shape)}. "
            f"{remedy}"
        )
    longest, length = config.max_position_embeddings, None if unpadded else ids.shape[1]
    if isinstance(lengths, tf.__internal__.EagerTensor):
        length = max(lengths.numpy(), default=0)
    if length is not None and length > longest:
        raise ValueError(
            f"Expected at most {longest} tokens, the model's `max_position_embeddings`. "
            f"Received {length}. Tokenise with `truncation=True, max_length={longest}`."
        )
    strange = None if embedded else outside(ids, config.vocab_size)
    if strange is not None:
        raise ValueError(
            f"Expected token ids from 0 to {config.vocab_size - 1}, the model's `vocab_size` less "
            f"one. Received {strange}. "
            "The tokenizer and the model seem to be of different checkpoints."
        )


def check_types(config: EncoderConfig, token_type_ids) -> None:
    """Raises ValueError for a token type too large, when its value is known."""
    strange = outside(token_type_ids, config.type_vocab_size)
    if strange is not None:
        raise ValueError(
            f"Expected `token_type_ids` from 0 to {config.type_vocab_size - 1}, the model's "
            f"`type_vocab_size` less one. Received {strange}."
        )
