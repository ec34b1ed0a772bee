"""A learned vocabulary spells the texts that it was learned from, in any script."""

from __future__ import annotations

import pytest

from tfkit import DistilBertTokenizer
from tfkit.text.corpus_vocabulary import learn_vocabulary

TEXTS = {
    "Korean": ["택배가 언제 도착하나요?", "환불을 받고 싶어요", "직원이 정말 친절해요"],
    "accents": ["Où est mon café ?", "Straße, Übung und Äpfel"],
    "Chinese": ["我想退款", "快递什么时候到"],
    "Hindi and Thai": ["मेरा ऑर्डर कहाँ है", "สินค้ายังไม่มา"],
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ("accents", "Chinese") else ())
        for name in TEXTS
    ],
)
@pytest.mark.parametrize("do_lower_case", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_no_token_of_the_texts_is_unknown(name, do_lower_case):
    vocabulary = learn_vocabulary(TEXTS[name] * 5, 400, do_lower_case=do_lower_case)
    assert vocabulary[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = DistilBertTokenizer(vocabulary, do_lower_case=do_lower_case)
    ids = [token for row in tokenizer(TEXTS[name])["input_ids"] for token in row]
    assert tokenizer.unk_token_id not in ids
