"""A WordPiece vocabulary learned from texts."""

from __future__ import annotations

from collections.abc import Iterable

from tfkit.text.normalization.normalizer import NormalizerOptions, normalize

# In BERT's order, so that the padding token has id 0.
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def learn_vocabulary(texts: Iterable[str], size: int, *, do_lower_case: bool = True) -> list[str]:
    """The `size` pieces, at most, that spell `texts` best, special tokens first.

    Args:
        texts: what the model will be trained on.
        size: largest number of pieces; too small a number gives the characters alone.
        do_lower_case: lower-case the texts and strip accents first, as an uncased tokenizer does.

    Raises:
        ValueError: `size` leaves no room beside the special tokens, or the texts hold no word.

    Source: `keras_nlp.tokenizers.compute_word_piece_vocabulary` does the work.

    Example:

        >>> learn_vocabulary(["low lower lowest"] * 9, size=12)[:6]
        ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'e']
    """
    if size <= len(SPECIAL_TOKENS):
        raise ValueError(
            f"`size` must be above {len(SPECIAL_TOKENS)}, the number of special tokens; "
            f"received {size}."
        )
    texts = list(texts)
    if not any(text.strip() for text in texts):
        raise ValueError("Expected texts with words to learn from. Received none.")
    import keras_nlp
    import tensorflow as tf

    # As the tokenizer will see them: keras-nlp composes again what stripping accents took apart,
    # so that its own normalisation would give Korean syllables where the tokenizer has letters.
    options = NormalizerOptions(lowercase=do_lower_case, strip_accents=do_lower_case)
    normalised = [normalize(text, options) for text in texts]
    return keras_nlp.tokenizers.compute_word_piece_vocabulary(
        tf.data.Dataset.from_tensor_slices(normalised).batch(1024),
        size,
        lowercase=False,
        strip_accents=False,
        reserved_tokens=list(SPECIAL_TOKENS),
    )
