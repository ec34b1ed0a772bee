"""The classes that choose by config.json."""

from __future__ import annotations

import os
from typing import ClassVar

from tfkit.hub import HubOptions
from tfkit.models import classes
from tfkit.models.config import EncoderConfig
from tfkit.models.encoder_model import EncoderModel
from tfkit.models.families import AutoConfig
from tfkit.tasks import TASKS
from tfkit.tasks.base import Task

# (family, task) -> class.
_CLASSES = {
    (model.config_class.model_type, model.task_name): model
    for model in vars(classes).values()
    if isinstance(model, type) and issubclass(model, EncoderModel) and model.__name__[:2] == "TF"
}


class _Auto:
    """Stands for the class of one task, whatever the family."""

    task_name: ClassVar[str | None] = None

    def __init__(self):
        raise TypeError(
            f"{type(self).__name__} is built by `{type(self).__name__}.from_pretrained(name)` or "
            f"`{type(self).__name__}.from_config(config)`."
        )

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike, **options
    ) -> EncoderModel:
        """The model of config.json's `model_type`; see `TFPreTrainedModel.from_pretrained`."""
        config, hub = options.get("config"), vars(HubOptions.pop_from({**options}))
        if not isinstance(config, EncoderConfig):
            config = AutoConfig.from_pretrained(config or pretrained_model_name_or_path, **hub)
        return cls._class_of(config).from_pretrained(pretrained_model_name_or_path, **options)

    @classmethod
    def from_config(cls, config: EncoderConfig, **options) -> EncoderModel:
        """A new model with random weights."""
        return cls._class_of(config)(config, **options)

    @classmethod
    def _class_of(cls, config: EncoderConfig) -> type[EncoderModel]:
        return _CLASSES[config.model_type, cls.task_name]


def class_of(config: EncoderConfig, otherwise: str) -> type[EncoderModel]:
    """The class that a checkpoint's `architectures` names, or that of the task `otherwise`."""
    named = {f"TF{name.removeprefix('TF')}" for name in config.extra.get("architectures") or ()}
    found = [model for model in _CLASSES.values() if model.__name__ in named and model.task_name]
    return found[0] if found else _CLASSES[config.model_type, otherwise]


def auto_class_for(task: Task) -> type[_Auto]:
    """The auto class of the models that learn the labels of a task."""
    return next(kind for kind in _Auto.__subclasses__() if kind.task_name == task.task_name)


def auto_class_of(name_or_path: str | os.PathLike) -> type[_Auto]:
    """The auto class of the model that config.json names in its `architectures`; that of text
    classifiers where it names none that learns labels.
    """
    config, usual = AutoConfig.from_pretrained(name_or_path), TFAutoModelForSequenceClassification
    own = class_of(config, usual.task_name).task_name
    return next((auto_class_for(task) for task in TASKS.values() if task.task_name == own), usual)


class TFAutoModel(_Auto):
    """The bare encoder of a checkpoint."""


class TFAutoModelForSequenceClassification(_Auto):
    """The text classifier of a checkpoint."""

    task_name = "sequence_classification"


class TFAutoModelForSentenceEmbedding(_Auto):
    """The sentence encoder of a checkpoint, without its tokenizer: see `tfkit.SentenceEncoder`."""

    task_name = "sentence_embedding"


class TFAutoModelForTokenClassification(_Auto):
    """The token classifier of a checkpoint."""

    task_name = "token_classification"


class TFAutoModelForQuestionAnswering(_Auto):
    """The model of a checkpoint that finds answers in a context."""

    task_name = "question_answering"


class TFAutoModelForMaskedLM(_Auto):
    """The masked language model of a checkpoint."""

    task_name = "masked_lm"


class TFAutoModelForMultipleChoice(_Auto):
    """The model of a checkpoint that chooses one of several texts."""

    task_name = "multiple_choice"
