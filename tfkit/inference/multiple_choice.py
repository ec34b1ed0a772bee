"""`pipeline("multiple-choice", …)`: prompts with choices in, the right ones out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfkit.inference.text_model import TextModel
from tfkit.tasks.compatibility import check_model_of
from tfkit.tasks.multiple_choice import MultipleChoice, chosen
from tfkit.utils.ignored_keywords import PIPELINE, drop_ignored
from tfkit.utils.strings import list_of


class MultipleChoicePipeline(TextModel):
    """A model of multiple choice with its tokenizer, called on prompts and choices. Threads may
    share one.

    Args:
        model: a `TFBertForMultipleChoice` or `TFDistilBertForMultipleChoice`.
        tokenizer: its tokenizer.
        batch_size: the most choices of a batch; by default their tokens alone limit it.
        max_length: tokens of a prompt with a choice, after which the prompt is cut; by default
            what model and tokenizer allow.

    Raises:
        TypeError: the model is of another task.
        ValueError: `max_length` is out of range.

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer
        >>> from tfkit import TFDistilBertForMultipleChoice
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sun", "day", "night"]
        >>> config = DistilBertConfig(vocab_size=8, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForMultipleChoice(config)
        >>> choose = MultipleChoicePipeline(model, DistilBertTokenizer(words))
        >>> answer = choose("sun", ["night", "day"])
        >>> sorted(answer), answer["text"] == ["night", "day"][answer["choice"]]
        (['choice', 'score', 'scores', 'text'], True)
    """

    def __init__(
        self, model, tokenizer, *, batch_size: int | None = None, max_length: int | None = None
    ):
        check_model_of(model, MultipleChoice, "model of multiple choice")
        super().__init__(model, tokenizer, max_length)
        self.batch_size = batch_size

    def __call__(self, *inputs, prompt=None, choices=None, **options) -> dict | list[dict]:
        """Chooses for one prompt or many.

        Args:
            prompt, choices: a string and its choices, a list of two strings at least; or lists of
                both, of one length. In place of them a dict of both, or a list of dicts; other
                keys of a dict are not looked at. Prompts may have several numbers of choices.
            **options: `batch_size` and `max_length` as in the constructor, for this call.

        Returns: of a prompt a dict of `choice`, the number of the best from 0, its `text`, its
            `score`, and the `scores` of all, which add up to 1; of a list a list of them.

        Raises:
            TypeError: something is not a string.
            ValueError: there are fewer than two choices, an option is none that it may be, or a
                score is not finite.
        """
        options = drop_ignored(options, PIPELINE)
        unknown = options.keys() - {"batch_size", "max_length"}
        if unknown:
            raise TypeError(f"`multiple-choice` has no option {', '.join(sorted(unknown))}.")
        single, rows = choice_rows(inputs, prompt, choices)
        answers = self.chosen(rows, **options)
        return answers[0] if single else answers

    def chosen(
        self, rows: Sequence[Mapping[str, Any]], *, batch_size: int | None = None, **options
    ) -> list[dict[str, Any]]:
        """The answers to prompts, `text`, with choices, `text_pair`; options as of a call."""
        for row in rows:
            _check(row["text"], row.get("text_pair"))
        if not rows:
            return []
        options["batch_size"] = self.batch_size if batch_size is None else batch_size
        task, answers = self.model.task, []
        for row, logits in zip(rows, task.outputs(self, rows, None, **options)):
            answers.append(chosen(row["text_pair"], task.scores(logits).numpy()))
        return answers


def choice_rows(inputs: tuple, prompt, choices) -> tuple[bool, list[dict]]:
    """Whether a call is of one prompt, and its prompts, each with its choices; errors as of the
    call.
    """
    if inputs and (prompt is not None or choices is not None):
        raise TypeError("Expected `prompt` and `choices`, or dicts of them. Received both.")
    single, rows = False, []
    if len(inputs) == 1:
        single = isinstance(inputs[0], (str, Mapping))
        rows = [inputs[0]] if single else list_of(inputs[0])
        for row in rows:
            if not isinstance(row, Mapping) or not {"prompt", "choices"} <= row.keys():
                raise ValueError(
                    f"Expected dicts with `prompt` and `choices`. Received: {row!r:.60}."
                )
        prompt, choices = ([row[name] for row in rows] for name in ("prompt", "choices"))
    else:
        prompt, choices = inputs if len(inputs) == 2 else (prompt, choices)
        if prompt is None or choices is None or len(inputs) > 2:
            raise TypeError("Expected `prompt` and `choices`, or dicts of them.")
        if isinstance(prompt, str):
            single, prompt, choices = True, [prompt], [choices]
    prompt, choices = list_of(prompt), list_of(choices)
    if len(prompt) != len(choices):
        raise ValueError(
            f"Expected choices for each prompt. Received {len(prompt)} `prompt` and "
            f"{len(choices)} `choices`."
        )
    for text, each in zip(prompt, choices):
        _check(text, each)
    return single, [{"text": text, "text_pair": each} for text, each in zip(prompt, choices)]


def _check(prompt, choices) -> None:
    if not isinstance(choices, (list, tuple)) or len(choices) < 2:
        raise ValueError(
            "Expected for each prompt a list of choices, two at least. Received: "
            f"{choices!r:.60} for {prompt!r:.60}."
        )
    for text in (prompt, *choices):
        if not isinstance(text, str):
            raise TypeError(f"Expected texts, as strings. Received a {type(text).__name__}.")
