"""What `tfkit train` makes of its options."""

from __future__ import annotations

from tests.conftest import TINY, TINY_BERT
from tfkit import BertConfig, DistilBertConfig
from tfkit.commands.train import dropouts


def test_every_rate_of_any_family_is_set():
    for config in (BertConfig(**TINY_BERT), DistilBertConfig(**TINY)):
        changed = config.replace(**dropouts(0.3))
        rates = changed.hidden_dropout_prob, changed.attention_probs_dropout_prob
        assert (*rates, changed.head_dropout) == (0.3, 0.3, 0.3)
