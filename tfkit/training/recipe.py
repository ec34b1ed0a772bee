"""`Recipe`: the hyper-parameters of a training, stored beside the weights that it made."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import random
from collections.abc import Mapping

from tfkit.hub import read_json
from tfkit.utils.files import local_path, write_file
from tfkit.utils.values import is_whole, plain

FILE = "training_recipe.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is fine-tuned.

    Args:
        epochs: passes over the texts; None takes `default_epochs`.
        batch_size: B, of all replicas together.
        shuffle_buffer: number of rows that the next of a `tfkit.data.Stream` is drawn from.
        gradient_accumulation_steps: batches of one update; K of B rows do what one of K·B does.
        learning_rate: at its peak; None takes `default_learning_rate`.
        warmup: fraction of all updates in which the rate rises.
        weight_decay: of AdamW; biases and LayerNorms are left out.
        max_grad_norm: largest norm of all gradients together; None does not clip.
        layer_decay: the rate of each block, times this, is the next lower's; see `layer_rates`.
        frozen_layers: number of blocks, from the lowest, that stay as they are, and the embeddings
            with them. The number of all blocks leaves the head and its pooler to be trained.
        fit_head: where the encoder has been trained and a classifier of texts on it has not, begin
            with the classifier that the encoder's states, as they are, tell most by.
        pair_epochs: where a head is fitted to few texts with one class each, passes over pairs of
            them before, in which the encoder learns which are of one class; None takes
            `default_pair_epochs`.
        lora_rank: train low-rank updates of the attention's projections, and the head, alone.
        max_length: tokens after which a text is truncated; None takes all that the model can.
        label_smoothing: fraction of the target spread over all classes.
        class_weights: what an error with each class costs: see `tfkit.training.class_weights`.
        token_dropout: fraction of tokens that training hides behind [MASK], others in every pass;
            it keeps a model without pre-training from learning its texts by heart.
        monitor: the figure of the validation set by which the best epoch is chosen, such as
            "accuracy", "macro_f1" or "loss"; None takes that of the problem type.
        patience: epochs after which training ends, if neither that figure nor the loss of the
            validation set was better in any of them; None takes a quarter of all, at least 3.
        calibrate: with a validation, divide the logits by the temperature that suits its texts, in
            the head's weights: labels stay, and scores are probabilities.
        seed: decides the order of rows, dropout and hidden tokens; None draws one from Python's
            `random`, which `keras.utils.set_random_seed` seeds.
        jit_compile: compile the step with XLA: long runs of a small model gain, short ones lose.

    Raises:
        ValueError: a value is out of range; the message says what was expected.
        TypeError: there is no such field.

    Example:

        >>> recipe = Recipe(epochs=2, class_weights={"spam": 3})
        >>> recipe.replace(epochs=3).epochs, recipe.batch_size
        (3, 32)
    """

    epochs: int | None = None
    batch_size: int = 32
    shuffle_buffer: int = 10_000
    gradient_accumulation_steps: int = 1
    learning_rate: float | None = None
    warmup: float = 0.1
    weight_decay: float = 0.01
    max_grad_norm: float | None = 1.0
    layer_decay: float = 1.0
    frozen_layers: int = 0
    fit_head: bool = True
    pair_epochs: int | None = None
    lora_rank: int | None = None
    max_length: int | None = None
    label_smoothing: float = 0.0
    class_weights: str | Mapping[str, float] | None = None
    token_dropout: float = 0.0
    monitor: str | None = None
    patience: int | None = None
    calibrate: bool = True
    seed: int | None = None
    jit_compile: bool = False

    def __post_init__(self):
        for name, (fits, expected) in _RULES.items():
            value = plain(getattr(self, name))
            object.__setattr__(self, name, value)
            if value is None and name in _OPTIONAL:
                continue
            if isinstance(value, (bool, str)) or value == math.inf or not fits(value):
                raise ValueError(f"`{name}` must be {expected}; received {value!r}.")
        weights = plain(self.class_weights)
        object.__setattr__(self, "class_weights", weights)
        if isinstance(weights, Mapping):
            if not all(isinstance(w, (int, float)) and 0 <= w < math.inf for w in weights.values()):
                raise ValueError(
                    f"`class_weights` must be numbers from 0; received {dict(weights)!r}."
                )
        elif weights not in (None, "balanced"):
            raise ValueError(
                "`class_weights` must be 'balanced' or a weight for each name of a class; "
                f"received {weights!r}."
            )

    def replace(self, **changes) -> Recipe:
        """A copy with `changes`."""
        return dataclasses.replace(self, **changes)

    def settled(
        self, *, examples: int, dim: int, trained: bool = False, pairs: bool = False
    ) -> Recipe:
        """With a value in place of each None that stands for a default or a draw; for so many
        texts, and a model of width D whose encoder is `trained` or new, and may learn from `pairs`.
        """
        found = {name: value for name in _OPTIONAL if (value := getattr(self, name)) is not None}
        pairs = pairs and dim >= _KNOWING
        passes = default_pair_epochs(examples, self.batch_size) if pairs else 0
        # What is left to learn after the pairs is the head's, which is fitted.
        last = pairs and found.setdefault("pair_epochs", passes) > 0
        found.setdefault("pair_epochs", 0)
        epochs = 1 if last else default_epochs(examples, dim, trained=trained)
        epochs = found.setdefault("epochs", epochs)
        found.setdefault("patience", max(3, epochs // 4))
        changed = trained and self.lora_rank is None
        rate = _PAIR_RATE if last else default_learning_rate(dim, trained=changed)
        found.setdefault("learning_rate", rate)
        found.setdefault("seed", random.randrange(2**31))
        return self.replace(**found)

    def with_drawn(self, earlier: Mapping[str, object]) -> Recipe:
        """With an earlier run's values in place of each None that stands for a default or a draw,
        so that the run can be gone on with.
        """
        left = [name for name in _OPTIONAL if getattr(self, name) is None]
        return self.replace(**{name: earlier[name] for name in left if name in earlier})

    def to_dict(self) -> dict:
        """Plain JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Writes training_recipe.json into `folder`; Transformers does not look at it."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"
        write_file(local_path(folder) / FILE, text)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike) -> Recipe:
        """Reads what `save_pretrained` wrote, or raises FileNotFoundError or ValueError."""
        path = local_path(folder) / FILE
        if not path.exists():
            raise FileNotFoundError(f"'{folder}' has no {FILE}. `tfkit train` writes one.")
        try:
            return cls(**{"pair_epochs": 0, **read_json(path)})  # older ones had none
        except TypeError as error:
            raise ValueError(f"{path}: {error}.") from None


def default_learning_rate(dim: int, *, trained: bool = False) -> float:
    """5e-5 at the width of DistilBERT base (Devlin et al. 2019, appendix A.3), more for narrower
    models: 7.3e-4 at D = 128. A trained encoder with a classifier of texts is changed more slowly
    from D = 384 on, at 7.1e-5 there; narrower ones still have much to learn.
    """
    usual = 5e-5 * (768 / dim) ** 1.5
    return min(usual, 5e-5 * (768 / dim) ** 0.5) if trained and dim >= 384 else usual


def default_epochs(examples: int, dim: int, *, trained: bool = False) -> int:
    """A trained encoder at least 256 wide, whose head is fitted beforehand, sees up to 1,000 texts
    in 6 passes, more of them in fewer, by the root of their number, and in 3 at least.

    A new model as wide as DistilBERT base sees 30,000 texts in 3 to 20 passes, a narrower one more:
    at D = 128 it sees 180,000, in 100 passes at most. A narrow encoder knows little, and learns as
    if it were new.

    BERT is fine-tuned with 3, too few for small sets (Mosbach et al. 2021, On the Stability of
    Fine-tuning BERT, https://arxiv.org/abs/2006.04884).
    """
    if trained and dim >= _KNOWING:
        return max(3, min(6, round(6 * (1000 / examples) ** 0.5)))
    narrower = 768 / dim
    most = min(100, round(20 * narrower))
    return max(3, min(most, round(30_000 * narrower / examples)))


def default_pair_epochs(examples: int, batch_size: int) -> int:
    """Of up to 300 texts as many passes over pairs as make 100 batches, of more none: they say
    enough by themselves. An encoder narrower than 256 knows too little to gain.
    """
    return 0 if examples > _FEW else math.ceil(_PAIR_STEPS / math.ceil(examples / batch_size))


_KNOWING = 256
# The rate is that of SetFit (https://arxiv.org/abs/2209.11055) for encoders of width 384 to 1,024.
_FEW, _PAIR_STEPS, _PAIR_RATE = 300, 100, 2e-5
_POSITIVE = (lambda value: is_whole(value, 1), "a positive integer")
_PROPORTION = (lambda value: 0 <= value < 1, "a number from 0 up to, not including, 1")
_RULES = {
    "epochs": _POSITIVE,
    "batch_size": _POSITIVE,
    "shuffle_buffer": _POSITIVE,
    "gradient_accumulation_steps": _POSITIVE,
    "learning_rate": (lambda value: value > 0, "a number above 0"),
    "warmup": (lambda value: 0 <= value <= 1, "a number from 0 to 1"),
    "weight_decay": (lambda value: value >= 0, "a number from 0"),
    "max_grad_norm": (lambda value: value > 0, "a number above 0, or None"),
    "layer_decay": (lambda value: 0 < value <= 1, "a number above 0, at most 1"),
    "frozen_layers": (is_whole, "an integer from 0"),
    "pair_epochs": (is_whole, "an integer from 0"),
    "lora_rank": _POSITIVE,
    "label_smoothing": _PROPORTION,
    "token_dropout": _PROPORTION,
    "patience": _POSITIVE,
    "seed": (lambda value: is_whole(value) and value < 2**31, "an integer from 0 to 2,147,483,647"),
}
_OPTIONAL = ("epochs", "learning_rate", "max_grad_norm", "lora_rank", "pair_epochs", "patience")
_OPTIONAL += ("seed",)
