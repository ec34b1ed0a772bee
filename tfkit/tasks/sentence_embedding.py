"""Sentence embedding: a vector per text, pooled from the states of all its tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from tfkit.checkpoints.sentence_modules import MEAN, OWN_FILES, write_modules
from tfkit.tasks.serving import Embed

# The key of a config that says the modules on the encoder; files have them in modules.json.
MODULES = "sentence_modules"


class _Tokens(Embed):
    """Token ids, mask and the like, int32 `[B,T]` each -> embedding `[B,D]`."""

    inputs: ClassVar = {}
    queue = "tokens"


class SentenceEmbedding:
    """The task's part of a model class, before the family's: `class … (SentenceEmbedding, …)`.

    Gives `sentence_embedding` float32 `[B,E]`, and with labels `loss` float32, one per anchor: that
    of `tfkit.tasks.ranking.MultipleNegativesRanking` on pairs.
    """

    task_name = "sentence_embedding"
    reads_pooled = False
    signatures: ClassVar = {"embed": Embed, "tokens": _Tokens}
    usual_signatures = 2
    forms = ("text", "ids")
    answer_name = "embedding"

    def __init__(self, config, **options):
        from tfkit.layers.sentence import SentenceHead  # it takes Keras

        super().__init__(config, **options)
        self.head = SentenceHead(
            hidden_size=config.hidden_size,
            initializer_range=config.initializer_range,
            modules=config.extra.get(MODULES, MEAN),
            name="head",
            dtype=self.dtype_policy,
        )

    @property
    def output_type(self):
        from tfkit.tasks.outputs import TFSentenceEmbeddingOutput  # it takes Keras' tree library

        return TFSentenceEmbeddingOutput

    @property
    def reads_cls_only(self) -> bool:
        return [*self.head.modules[0]["modes"]] == ["cls"]

    @property
    def pools_tokens(self) -> bool:
        return not self.reads_cls_only

    @property
    def output_size(self) -> int:
        return self.head.width

    embedding_size = output_size

    def answered(self, embedding):
        """What exports answer, by `answer_name`: float32 `[B,E]`."""
        return embedding

    def embed(self, batch):
        return self(batch, training=False).sentence_embedding

    def answer(self, last_hidden_state, labels, training, attention_mask=None):
        embedding = self.head(last_hidden_state, attention_mask)
        if labels is None:
            return {"sentence_embedding": embedding}
        return {"sentence_embedding": embedding, "loss": self.head_loss(labels, embedding)}

    def head_loss(self, labels, outputs):
        from tfkit.tasks.ranking import MultipleNegativesRanking

        return MultipleNegativesRanking().call(labels, outputs)

    # === Folders of sentence-transformers ===

    own_files = OWN_FILES

    def write_beside(self, folder: Path) -> None:
        write_modules(self, folder)

    def config_file(self) -> dict[str, Any]:
        """Of the encoder alone, as sentence-transformers writes it."""
        values = super().config_file()
        values.pop(MODULES, None)
        architecture = type(self.config).__name__.removesuffix("Config") + "Model"
        return {**values, "architectures": [architecture]}
