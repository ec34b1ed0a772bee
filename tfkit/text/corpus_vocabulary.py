"""Vocabularies that fit a corpus: learned from it, or pruned to what it uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tfkit.text.call.arguments import read_texts
from tfkit.text.normalization.normalizer import NormalizerOptions, normalize
from tfkit.utils.strings import list_of

_BATCH = 1024
# In BERT's order, so that the padding token has id 0.
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def learn_vocabulary(texts: Iterable[str], size: int, *, do_lower_case: bool = True) -> list[str]:
    """At most `size` pieces that spell `texts` best, special tokens first; keras-nlp finds them."""
    if size <= len(SPECIAL_TOKENS):
        raise ValueError(
            f"`size` must be above {len(SPECIAL_TOKENS)}, the number of special tokens; "
            f"received {size}."
        )
    texts = list_of(texts)
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


def prune_tokenizer(tokenizer, texts: Sequence[str], also: Sequence[int] = ()):
    """The tokenizer without the pieces that `texts`, which may be pairs, do not use, and the old id
    of each of its V ids, int64 `[V]`; their order stays.

    Special and added tokens stay, ids in `also`, and every piece of one character, from which other
    words are put together. Texts get the same pieces as before.
    """
    given = read_texts(texts, None, words=False)
    corpus = [*given.first, *(given.second or [])]
    if not any(text.strip() for text in corpus):
        raise ValueError("Expected texts whose pieces the vocabulary keeps. Received no word.")
    settings = tokenizer.get_config()
    ids = tokenizer.core.table.vocabulary.ids
    prefix = tokenizer.continuing_subword_prefix

    kept = {*also, *(token["id"] for token in settings["added_tokens"])}
    kept |= {index for token, index in ids.items() if len(token.removeprefix(prefix)) == 1}
    for start in range(0, len(corpus), _BATCH):
        kept |= set(_used(tokenizer, ids, corpus[start : start + _BATCH]))
    old = np.array(sorted(kept))
    new = {int(index): place for place, index in enumerate(old)}
    settings["vocab"] = {token: new[index] for token, index in ids.items() if index in new}
    settings["added_tokens"] = [
        {**token, "id": new[token["id"]]} for token in settings["added_tokens"]
    ]
    return type(tokenizer).from_config(settings), old


def _used(tokenizer, ids: dict[str, int], texts: list[str]) -> Iterator[int]:
    """Ids of the pieces of texts; of a word that has none, of all that stand in it. Such a word
    must not come to have pieces because a longer one, which led nowhere, is gone.
    """
    found = np.unique(tokenizer.core.run(texts).ids.numpy())
    yield from found.tolist()
    if tokenizer.unk_token_id in found:
        encoded = tokenizer(
            texts, add_special_tokens=False, truncation=False, return_offsets_mapping=True
        )
        words = {
            normalize(text[start:end], tokenizer.core.normalizer)
            for text, row, spans in zip(texts, encoded["input_ids"], encoded["offset_mapping"])
            for index, (start, end) in zip(row, spans)
            if index == tokenizer.unk_token_id
        }
        for word in words:
            if len(word) > tokenizer.max_input_chars_per_word:
                continue  # it is unknown for its length alone
            for start in range(len(word)):
                begin = tokenizer.continuing_subword_prefix if start else ""
                for end in range(start + 1, len(word) + 1):
                    index = ids.get(begin + word[start:end])
                    if index is not None:
                        yield index
