"""Texts that an export is checked on when the caller gives none."""

from __future__ import annotations

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
