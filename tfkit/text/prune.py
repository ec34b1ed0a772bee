"""A tokenizer with the part of its vocabulary that a corpus needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tfkit.text.call.arguments import read
from tfkit.text.normalization.normalizer import normalize
from tfkit.text.vocabulary import Vocabulary

_BATCH = 1024


def prune_tokenizer(tokenizer, texts: Sequence[str], also: Sequence[int] = ()):
    """The tokenizer without the pieces that `texts` do not use.

    What stays: the pieces of the texts, special and added tokens, and every piece of one
    character, from which other words are put together. The texts get the same pieces as before.

    Args:
        tokenizer: a `DistilBertTokenizer`.
        texts: the corpus, or pairs of texts.
        also: further ids to keep.

    Returns: the tokenizer, and int64 `[V]`, the old id of each of its V ids; their order stays.

    Raises:
        ValueError: `texts` is no list of texts, or there is no word in it.

    Example:

        >>> from tfkit import DistilBertTokenizer
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "big", "small", "##er"]
        >>> pruned, kept = prune_tokenizer(DistilBertTokenizer(words), ["A bigger, smaller one"])
        >>> list(pruned.get_vocab())[5:], kept[5:].tolist()
        (['a', 'big', 'small', '##er'], [5, 6, 7, 8])
    """
    given = read(texts, None, words=False)
    corpus = [*given.first, *(given.second or [])]
    if not any(text.strip() for text in corpus):
        raise ValueError("Expected texts whose pieces the vocabulary keeps. Received no word.")
    settings = tokenizer.get_config()
    ids = Vocabulary(settings["vocab"]).ids
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
    """Ids of the pieces of texts.

    A word that has no pieces must not come to have some because a longer one, which led nowhere,
    is gone. So all that stand in it are used.
    """
    found = np.unique(tokenizer.run(texts).ids.numpy())
    yield from found.tolist()
    if tokenizer.unk_token_id in found:
        for word in _unknown_words(tokenizer, texts):
            for start in range(len(word)):
                begin = tokenizer.continuing_subword_prefix if start else ""
                for end in range(start + 1, len(word) + 1):
                    index = ids.get(begin + word[start:end])
                    if index is not None:
                        yield index


def _unknown_words(tokenizer, texts: list[str]) -> set[str]:
    """Normalised; without those that are unknown for their length alone."""
    encoded = tokenizer(
        texts, add_special_tokens=False, truncation=False, return_offsets_mapping=True
    )
    words = {
        normalize(text[start:end], tokenizer._normalizer_options)
        for text, row, spans in zip(texts, encoded["input_ids"], encoded["offset_mapping"])
        for index, (start, end) in zip(row, spans)
        if index == tokenizer.unk_token_id
    }
    return {word for word in words if len(word) <= tokenizer.max_input_chars_per_word}
