"""The logits of a teacher, once per text, whatever kind of model it is."""

from __future__ import annotations

import os
import sys

import keras
import numpy as np

from tfkit.data.examples import Examples
from tfkit.hub import find_file, read_json
from tfkit.inference.batching import rows_of
from tfkit.inference.text_model import TextModel, progress_bar
from tfkit.models.auto import TFAutoModelForSequenceClassification
from tfkit.models.families import FAMILIES
from tfkit.text.auto import AutoTokenizer
from tfkit.text.tokenizer import BertTokenizer
from tfkit.utils.strings import listed
from tfkit.utils.values import finite


def teacher_logits(
    teacher,
    examples: Examples,
    tokenizer=None,
    *,
    mask_token: str = "[MASK]",
    batch_size: int = 128,
    max_length: int | None = None,
    verbose: str | int = 0,
) -> np.ndarray:
    """The logits of a teacher, or the mean of several teachers', for each text.

    Args:
        teacher: one of these, or a list of them:

            * a Keras model of a tokenizer's `{"input_ids", "attention_mask"}` that gives logits
              `[B,C]`, or a `ModelOutput` that has them: those of tfkit, or any other;
            * a classifier of Transformers (PyTorch);
            * the name of a folder or Hub repository with either and its tokenizer;
            * a function of a list of strings that gives logits `[B,C]`; of pairs, of two lists;
            * logits `[rows,C]` that are known already, one row for each of `examples`.
        examples: texts; their `names` say the order of the classes. A teacher that names its
            classes in another order, or otherwise only in letter case, is brought into this one.
        tokenizer: of teachers that are not named: of `AutoTokenizer` of tfkit for Keras, of
            Transformers for PyTorch.
        mask_token: what hides a word in the texts; a teacher reads its own in its place.
        batch_size: B.
        max_length: tokens after which a text is truncated; None takes the teacher's limit.
        verbose: as in `model.predict`; PyTorch shows nothing.

    Returns: float32 `[rows,C]`.

    Raises:
        ImportError: the name is of a model that only Transformers with PyTorch runs.
        TypeError: the teacher is none of these.
        ValueError: the number or the names of its classes are not those of `examples`, or a logit
            is not finite.

    Example:

        >>> texts = Examples(["good", "bad"], names=["negative", "positive"])
        >>> teacher_logits(lambda texts: [[-1.0, 1.0], [2.0, -2.0]], texts).tolist()
        [[-1.0, 1.0], [2.0, -2.0]]
        >>> loud = lambda texts: [[-3.0, 3.0], [2.0, -2.0]]
        >>> teacher_logits([loud, np.array([[-1.0, 1.0], [0.0, 0.0]])], texts).tolist()
        [[-2.0, 2.0], [1.0, -1.0]]
    """
    if isinstance(teacher, (list, tuple)):
        if not teacher:
            raise ValueError("Expected at least one teacher. Received an empty list.")
        options = {"mask_token": mask_token, "batch_size": batch_size, "max_length": max_length}
        answers = [
            teacher_logits(each, examples, tokenizer, verbose=verbose, **options)
            for each in teacher
        ]
        return np.mean(answers, axis=0, dtype=np.float32)
    teacher, tokenizer = load_teacher(teacher, tokenizer)
    order_of_names = _columns(teacher, examples)
    theirs = getattr(tokenizer, "mask_token", None) or mask_token
    columns = [[text.replace(mask_token, theirs) for text in texts] for texts in examples.columns]
    if isinstance(teacher, np.ndarray):
        logits = teacher
    elif isinstance(teacher, keras.Model) or _is_torch(teacher):
        # Texts of about one length share a batch; characters tell lengths well enough for that.
        order = np.argsort([sum(map(len, row)) for row in zip(*columns)], kind="stable")
        columns = [[column[row] for row in order] for column in columns]
        positions = getattr(getattr(teacher, "config", None), "max_position_embeddings", None)
        limits = (max_length, positions, tokenizer.model_max_length)
        limit = min(limit for limit in limits if limit is not None)
        if isinstance(teacher, keras.Model):
            progress = progress_bar(len(order), verbose)
            asked = TextModel(teacher, tokenizer, limit)
            answers = asked.logits(rows_of(columns), batch_size=batch_size, progress=progress)
        else:
            answers = _torch_logits(teacher, tokenizer, columns, batch_size, limit)
        logits = np.empty_like(answers)
        logits[order] = answers
    else:
        logits = teacher(*columns)
    return _checked(np.asarray(logits, np.float32), examples)[:, order_of_names]


def load_teacher(teacher, tokenizer=None, *, dtype=None) -> tuple:
    """A model and its tokenizer: a name is loaded, a model of tfkit in the Keras `dtype` or policy;
    anything else is checked, with the errors of `teacher_logits`, and given back.
    """
    if isinstance(teacher, (str, os.PathLike)):
        return _load(teacher, dtype)
    is_torch = _is_torch(teacher)
    if not is_torch and not isinstance(teacher, np.ndarray) and not callable(teacher):
        raise TypeError(
            "Expected as teacher a Keras or PyTorch classifier, the name of one, a function of "
            f"texts, an array of logits, or a list of these. Received: {type(teacher).__name__}."
        )
    if is_torch or isinstance(teacher, keras.Model):
        is_ours = isinstance(tokenizer, BertTokenizer)
        if tokenizer is None or is_ours == is_torch:
            raise ValueError(
                f"Expected the tokenizer of the teacher, a {type(teacher).__name__}: one of "
                f"{'Transformers' if is_torch else 'tfkit'}. Received: {tokenizer!r}. Pass it as "
                "`teacher_tokenizer`, or the teacher as the name of its folder."
            )
    return teacher, tokenizer


def _load(name: str | os.PathLike, dtype):
    file = find_file(name, "config.json")
    if file is None:
        raise FileNotFoundError(
            f"Expected a config.json in '{name}', which says what kind of model the teacher is. "
            "Found none."
        )
    model_type = read_json(file).get("model_type", next(iter(FAMILIES)))
    if model_type in FAMILIES:
        model = TFAutoModelForSequenceClassification.from_pretrained(name, dtype=dtype)
        return model, AutoTokenizer.from_pretrained(name)
    try:
        import torch  # noqa: F401  (Transformers imports without it, and then cannot load)
        import transformers
    except ImportError as error:
        raise ImportError(
            f"The teacher '{name}' is a '{model_type}', which Transformers runs with PyTorch. "
            "Install both: pip install torch transformers."
        ) from error
    model = transformers.AutoModelForSequenceClassification.from_pretrained(name)
    return model, transformers.AutoTokenizer.from_pretrained(name)


def _is_torch(teacher) -> bool:
    torch = sys.modules.get("torch")  # who holds a module of PyTorch has imported it
    return torch is not None and isinstance(teacher, torch.nn.Module)


def _torch_logits(model, tokenizer, columns, batch_size: int, max_length: int) -> np.ndarray:
    import torch

    was_training, device = model.training, next(model.parameters()).device
    options = {"padding": True, "truncation": True, "max_length": max_length}
    parts = []
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(columns[0]), batch_size):
                texts = [column[start : start + batch_size] for column in columns]
                batch = tokenizer(*texts, return_tensors="pt", **options).to(device)
                parts.append(model(**batch).logits.float().cpu().numpy())
    finally:
        model.train(was_training)
    return np.concatenate(parts)


def _columns(teacher, examples: Examples) -> list[int]:
    """Where a teacher has each of `examples.names`: in its own order, where it names its classes.

    Raises a ValueError for a teacher of something else, which need not answer all texts for it.
    """
    names, config = examples.names, getattr(teacher, "config", None)
    kind = getattr(config, "problem_type", None)
    if kind not in (None, examples.problem_type):
        raise ValueError(
            f"Expected a teacher of a {examples.problem_type}, as the texts are. Received one "
            f"whose `problem_type` is {kind!r}."
        )
    numbers = list(range(len(names)))
    theirs = getattr(config, "id2label", None)
    if theirs is None:
        return numbers
    theirs = [str(theirs[number]).lower() for number in sorted(theirs)]
    ours = [name.lower() for name in names]
    if theirs == ours or theirs == [f"label_{number}" for number in numbers]:
        return numbers
    if sorted(theirs) != sorted(ours):
        raise ValueError(
            f"Expected a teacher of the classes {listed(names)}. Received one of {listed(theirs)}. "
            "If they mean the same, give its `config.id2label` these names in its own order."
        )
    return [theirs.index(name) for name in ours]


def _checked(logits: np.ndarray, examples: Examples) -> np.ndarray:
    shape = (len(examples), len(examples.names))
    if logits.shape != shape:
        raise ValueError(
            f"Expected logits of shape {shape} from the teacher: a row for each text and a column "
            f"for each of {listed(examples.names)}. Received {logits.shape}."
        )
    finite(logits, examples.texts, lambda said: ValueError(f"From the teacher: {said}"))
    return logits
