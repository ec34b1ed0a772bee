"""`SentenceEncoder`: texts to embeddings, as sentence-transformers makes them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from tfkit.checkpoints.folder import save_weights
from tfkit.checkpoints.sentence_modules import (
    SIMILARITIES,
    Settings,
    load_dense,
    read_modules,
    read_settings,
    write_settings,
)
from tfkit.hub import HubOptions
from tfkit.inference.text_model import TextModel, progress_bar
from tfkit.models.auto import TFAutoModelForSentenceEmbedding
from tfkit.models.families import AutoConfig
from tfkit.models.inputs import token_limit
from tfkit.tasks.sentence_embedding import MODULES
from tfkit.text.auto import AutoTokenizer
from tfkit.utils.ignored_keywords import ENCODE, drop_ignored
from tfkit.utils.strings import list_of
from tfkit.utils.values import positive_integer


class SentenceEncoder:
    """An encoder, its tokenizer, and what makes one embedding of a text. Threads may share one.

    `from_pretrained` reads a folder of sentence-transformers; the constructor puts one together.

    Args:
        model: a model with the task sentence embedding, as `from_pretrained` makes it.
        tokenizer: its tokenizer.
        max_seq_length: tokens after which a text is cut; by default what model and tokenizer allow.
        prompts: name -> what stands before a text, such as `{"query": "query: "}`.
        default_prompt_name: of the prompt that stands there when a call names none.
        similarity_fn_name: what `similarity` computes: "cosine", "dot", and less distances
            "euclidean" and "manhattan".
        truncate_dim: keep so many numbers of each embedding, of a model trained for it.
        precision, runtime: what to compute in, as of `TextClassificationPipeline`: "float32",
            "bfloat16", or "int8" in LiteRT; None as the model does.

    Raises:
        ValueError: an option is out of range, or there is no such prompt or similarity.

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer
        >>> from tfkit.models.auto import TFAutoModelForSentenceEmbedding
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
        >>> config = DistilBertConfig(vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFAutoModelForSentenceEmbedding.from_config(config)
        >>> encoder = SentenceEncoder(model, DistilBertTokenizer(words))
        >>> encoder.encode(["good", "bad bad"]).shape, encoder.encode("good").shape
        ((2, 8), (8,))
        >>> encoder.similarity(encoder.encode("good"), encoder.encode(["good"])).round(3).tolist()
        [[1.0]]
    """

    def __init__(
        self,
        model,
        tokenizer,
        *,
        max_seq_length: int | None = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: str = "cosine",
        truncate_dim: int | None = None,
        precision: str | None = None,
        runtime: str | None = None,
    ):
        self.prompts = dict(prompts or {})
        self.default_prompt_name = default_prompt_name
        if similarity_fn_name not in SIMILARITIES:
            raise ValueError(
                f"`similarity_fn_name` must be one of {', '.join(SIMILARITIES)}; received "
                f"{similarity_fn_name!r}."
            )
        self.similarity_fn_name, self.truncate_dim = similarity_fn_name, truncate_dim
        self._texts = TextModel(model, tokenizer, precision=precision, runtime=runtime)
        if max_seq_length is not None:
            self.max_seq_length = max_seq_length
        self._prompt(None, default_prompt_name)

    # === Hugging Face folders ===

    @classmethod
    def from_pretrained(
        cls,
        model_name_or_path: str | os.PathLike,
        *,
        precision: str | None = None,
        runtime: str | None = None,
        **options,
    ) -> SentenceEncoder:
        """Reads a folder or Hub repository of sentence-transformers, or of an encoder alone.

        Args:
            model_name_or_path: a folder that `save_pretrained` (of tfkit or sentence-transformers)
                wrote, or a repository's name. An encoder without `modules.json` gets the mean of
                all tokens, as there.
            precision, runtime: as of the constructor.
            **options: those of `TFAutoModel.from_pretrained`, hub options among them.

        Raises:
            FileNotFoundError: a file is not there.
            ValueError: the encoder is of another family than tfkit has, its modules are none that
                tfkit has, or the files are damaged.
        """
        name, hub = model_name_or_path, HubOptions.pop_from(options)
        modules = read_modules(name, hub)
        settings = read_settings(name, hub, modules)
        where = vars(dataclasses.replace(hub, subfolder=modules.encoder))
        config = AutoConfig.from_pretrained(name, **where).replace(**{MODULES: [*modules.head]})
        # Its pooler and heads, if the files have some, are left out without a warning.
        asked = {"config": config, "output_loading_info": True, **where, **options}
        model, _ = TFAutoModelForSentenceEmbedding.from_pretrained(name, **asked)
        load_dense(model, name, hub, modules)
        tokenizer = AutoTokenizer.from_pretrained(name, **where)
        if settings.do_lower_case and not tokenizer.do_lower_case:
            # Letters alone: sentence-transformers puts it before what else the tokenizer does.
            tokenizer.strip_accents = bool(tokenizer.strip_accents)
            tokenizer.do_lower_case = True
        options = {key: value for key, value in vars(settings).items() if key != "do_lower_case"}
        if settings.max_seq_length is not None:
            # Folders may name more than there are positions.
            most = min(settings.max_seq_length, config.max_position_embeddings)
            options["max_seq_length"] = most
        return cls(model, tokenizer, precision=precision, runtime=runtime, **options)

    def save_pretrained(
        self, save_directory: str | os.PathLike, *, max_shard_size: int | str = "5GB"
    ) -> None:
        """Writes a folder that sentence-transformers loads, and `from_pretrained`, all or nothing.

        Args:
            save_directory: made where it does not exist; the modules of a model that was there go,
                other files stay.
            max_shard_size: as of `TFAutoModel.save_pretrained`.
        """
        names = {field.name for field in dataclasses.fields(Settings)} - {"do_lower_case"}
        settings = Settings(**{name: getattr(self, name) for name in names})

        def write(stage: Path) -> None:
            self.tokenizer.save_pretrained(stage)
            write_settings(stage, settings)

        save_weights(self.model, save_directory, max_shard_size=max_shard_size, beside=write)

    # === Parts ===

    @property
    def model(self):
        """The Keras model: token ids to `sentence_embedding` float32 `[B,E]`."""
        return self._texts.model

    @property
    def tokenizer(self):
        """The tokenizer."""
        return self._texts.tokenizer

    @property
    def max_seq_length(self) -> int:
        """Tokens after which a text is cut, [CLS] and [SEP] included; may be set. It is the
        tokenizer's `model_max_length`, by which exports go, too.
        """
        return self._texts.max_length

    @max_seq_length.setter
    def max_seq_length(self, value: int | None) -> None:
        self._texts.max_length = token_limit(self.model, self.tokenizer, value)
        self.tokenizer.model_max_length = self._texts.max_length

    def get_embedding_dimension(self) -> int:
        """The width E of an embedding."""
        width = self.model.embedding_size
        return width if self.truncate_dim is None else min(width, self.truncate_dim)

    get_sentence_embedding_dimension = get_embedding_dimension

    # === Embeddings ===

    def encode(
        self,
        texts: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        *,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        **ignored,
    ) -> np.ndarray:
        """The embeddings of texts.

        Args:
            texts: one text, or any number of them.
            prompt_name, prompt: what stands before each text: one of `prompts`, or the words
                themselves.
            batch_size: the most texts of a batch; by default their tokens alone limit it.
            show_progress_bar: print how far it is.
            normalize_embeddings: to length 1, whatever the modules do.
            truncate_dim: as in the constructor, for this call.
            **ignored: keywords of sentence-transformers that change nothing here, such as
                `device`; see `tfkit.utils.ignored_keywords`.

        Returns: float32 `[B,E]`, in the order of `texts`; of one text `[E]`.

        Raises:
            TypeError: something is not a string.
            ValueError: an option is out of range, there is no such prompt, or an embedding is not
                finite.
        """
        unknown = drop_ignored(ignored, ENCODE)
        if unknown:
            raise TypeError(f"`encode` has no option {', '.join(unknown)}.")
        single = isinstance(texts, str)
        texts = [texts] if single else list_of(texts)
        before = self._prompt(prompt, prompt_name)
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(
                    f"Expected texts, as strings. Received a {type(text).__name__}: {text!r:.60}."
                )
        progress = progress_bar(len(texts), 1) if show_progress_bar else None
        options = {"batch_size": batch_size, "progress": progress}
        found = self._texts.outputs([before + text for text in texts], **options)
        if (lost := np.flatnonzero(~np.isfinite(found).all(axis=1))).size:
            raise ValueError(
                f"Expected finite embeddings. Received NaN or infinity for {texts[lost[0]]!r:.60}. "
                "The weights may hold NaN, or be too large for a half precision: load other "
                "weights, or compute in float32."
            )
        kept = self.truncate_dim if truncate_dim is None else truncate_dim
        if kept is not None:
            found = found[:, : positive_integer("truncate_dim", kept)]
        if normalize_embeddings:
            found = _unit_length(found)
        return found[0] if single else found

    def __call__(self, texts: str | Iterable[str], **options) -> np.ndarray:
        """As `encode`."""
        return self.encode(texts, **options)

    def encode_query(self, texts: str | Iterable[str], **options) -> np.ndarray:
        """As `encode`, with the prompt "query" if there is one."""
        return self._encode_as(("query",), texts, options)

    def encode_document(self, texts: str | Iterable[str], **options) -> np.ndarray:
        """As `encode`, with the prompt "document", "passage" or "corpus" if there is one."""
        return self._encode_as(("document", "passage", "corpus"), texts, options)

    def similarity(self, one, other) -> np.ndarray:
        """How alike each embedding of `one` `[A,E]` is to each of `other` `[B,E]`: `[A,B]`."""
        one, other = (np.atleast_2d(np.asarray(each, np.float32)) for each in (one, other))
        if self.similarity_fn_name == "cosine":
            one, other = _unit_length(one), _unit_length(other)
        if self.similarity_fn_name in ("cosine", "dot"):
            return one @ other.T
        norm = 1 if self.similarity_fn_name == "manhattan" else 2
        return -np.stack([np.linalg.norm(row - other, norm, axis=-1) for row in one])

    def class_means(self, examples) -> np.ndarray:
        """The mean direction of the texts of each class, float32 `[C,E]`: a classifier of few
        labels, which answers with the class whose mean is most similar to a text.

        Args:
            examples: of `tfkit.data.read`, with one class per text.

        Raises:
            ValueError: there are no labels, several per text, or a class without a text.

        Source: Snell et al. 2017, Prototypical Networks, https://arxiv.org/abs/1703.05175.
        """
        labels = examples.labels
        task = examples.task
        if labels is None or not task.has_classes or task.multi_label:
            raise ValueError(f"Expected texts with one class each. Received {examples!r}.")
        numbers = np.asarray(labels)
        if missing := {*range(len(examples.names))} - {*labels}:
            name = examples.names[min(missing)]
            raise ValueError(f"Expected texts of every class. Received none of {name!r}.")
        found = self.encode(examples.texts, normalize_embeddings=True)
        return np.stack([found[numbers == n].mean(axis=0) for n in range(len(examples.names))])

    def _encode_as(self, names: tuple[str, ...], texts, options: dict) -> np.ndarray:
        if not {"prompt", "prompt_name"} & options.keys():
            name = next((name for name in names if name in self.prompts), None)
            options = {**options, "prompt_name": name}
        return self.encode(texts, **options)

    def _prompt(self, prompt: str | None, name: str | None) -> str:
        if prompt is not None:
            return prompt
        name = self.default_prompt_name if name is None else name
        if name is not None and name not in self.prompts:
            known = ", ".join(self.prompts) or "none"
            raise ValueError(f"Expected the name of a prompt: {known}. Received: {name!r}.")
        return "" if name is None else self.prompts[name]


def _unit_length(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
