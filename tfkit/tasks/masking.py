"""Which tokens a masked language model is asked for, and what it sees in their place."""

from __future__ import annotations

from tfkit.utils.lazy import tf

_SHOWN_AS_MASK, _OR_AS_ANOTHER = 0.8, 0.9  # of the tokens that are asked for


class Masking:
    """Chooses tokens at random: of those chosen 80 % become [MASK], 10 % any other token, and 10 %
    stay. Special tokens, [UNK] with them, are neither chosen nor shown for others.

    Args:
        tokenizer: whose ids they are.
        mlm_probability: of a token to be chosen.
        whole_word_mask: choose all pieces of a word or none. What is shown for each is drawn apart.

    Raises:
        ValueError: the probability is out of range, or the tokenizer has no mask token.

    Source: Devlin et al. 2019 (https://arxiv.org/abs/1810.04805), section 3.1; of whole words its
    repository's README; anew in every pass Liu et al. 2019 (https://arxiv.org/abs/1907.11692).

    Example:

        >>> import tensorflow as tf
        >>> from tfkit import DistilBertTokenizer
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film"]
        >>> masking = Masking(DistilBertTokenizer(words), mlm_probability=0.5)
        >>> ids = tf.constant([[2, 5, 7, 3, 2, 6, 7, 3]])
        >>> shown, places, labels = masking(ids, seed=[0, 0])
        >>> bool(tf.reduce_all(tf.gather_nd(ids, places) == labels)), shown.shape == ids.shape
        (True, True)
    """

    def __init__(self, tokenizer, *, mlm_probability: float = 0.15, whole_word_mask: bool = False):
        if not 0 < mlm_probability < 1:
            raise ValueError(
                "`mlm_probability` must be a number above 0 and below 1; received "
                f"{mlm_probability!r}."
            )
        if tokenizer.mask_token_id is None:
            raise ValueError("Expected a tokenizer with a `mask_token`. Received one without.")
        self._probability, self._whole = mlm_probability, whole_word_mask
        vocabulary, special = tokenizer.get_vocab(), {*tokenizer.all_special_ids}
        prefix = tokenizer.continuing_subword_prefix
        self._mask_id = tokenizer.mask_token_id
        self._others = sorted({*vocabulary.values()} - special)
        ids = range(max(vocabulary.values()) + 1)
        self._ordinary = [number not in special for number in ids]
        continuing = {number for token, number in vocabulary.items() if token.startswith(prefix)}
        self._continues = [number in continuing for number in ids]

    def __call__(self, ids, seed):
        """Masks a batch, the same tokens for the same seed.

        Args:
            ids: int32 `[B,T]`.
            seed: int `[2]`.

        Returns: the ids that the model sees, `[B,T]`; the places of the tokens that it is asked
            for, text and token, int32 `[M,2]`; and these tokens, int32 `[M]`.
        """
        seeds = tf.random.split(seed, 3)
        draw = tf.random.stateless_uniform
        if self._whole:  # the number of each piece's word; 0 is one that began in another row
            begins = ~tf.gather(self._continues, ids)
            words = tf.cumsum(tf.cast(begins, tf.int32), axis=1)
            chances = draw(tf.shape(words) + tf.constant([0, 1]), seeds[0])
            chances = tf.gather(chances, words, axis=1, batch_dims=1)
        else:
            chances = draw(tf.shape(ids), seeds[0])
        chosen = tf.gather(self._ordinary, ids) & (chances < self._probability)
        places = tf.cast(tf.where(chosen), tf.int32)
        labels = tf.gather_nd(ids, places)
        count = tf.shape(labels)
        others = draw(count, seeds[1], 0, len(self._others), tf.int32)
        how = draw(count, seeds[2])
        shown = tf.where(how < _OR_AS_ANOTHER, tf.gather(self._others, others), labels)
        shown = tf.where(how < _SHOWN_AS_MASK, self._mask_id, shown)
        return tf.tensor_scatter_nd_update(ids, places, shown), places, labels
