"""Texts that an export is checked on when the caller gives none."""

from __future__ import annotations

from collections.abc import Sequence

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


def sample(texts: Sequence[str] | None) -> list[str]:
    """The caller's texts, or `SAMPLE_TEXTS` when there are none given.

    Raises:
        ValueError: the list is empty, which would prove nothing.
        TypeError: it is one string, or holds something else than strings.
    """
    if texts is None:
        return list(SAMPLE_TEXTS)
    if isinstance(texts, (str, bytes)) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"`texts` must be a list of strings; received {texts!r:.80}.")
    if not len(texts):
        raise ValueError(
            "`texts` must hold at least one text to check the export on; received none. "
            "Leave it out to check on a built-in sample."
        )
    return list(texts)
