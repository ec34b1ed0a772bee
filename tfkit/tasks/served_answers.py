"""Answers to questions about contexts, in the graph: windows, and the best answer of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from tfkit.tasks.serving import Signature
from tfkit.utils.lazy import tf
from tfkit.utils.strings import characters
from tfkit.utils.values import is_whole, plain

_MAX_WINDOW, _STRIDE = 384, 128
CANDIDATES = 12  # of a window: several may be parts of one word


class Answers(Signature):
    """Strings question and context `[B]` -> answer string, score float32, start and end int32
    `[B]`, characters of the context, as `pipeline("question-answering")` gives them.

    A long context is read in windows of at most 384 tokens, and of `max_length`. One of more than
    `max_windows` is refused, and so is a question that leaves the windows no room.

    Raises:
        ValueError: an option is none that it may be, or the tokenizer truncates on the left.

    Source: transformers 4.57, `pipelines/question_answering.py`.
    """

    inputs: ClassVar = {"question": 1, "context": 1}
    queue = "text"
    pairs = True
    options: ClassVar = {
        "max_answer_len": 15,
        "doc_stride": None,
        "handle_impossible_answer": False,
        "max_windows": 64,
    }
    outputs = ("answer", "score", "start", "end")
    called = "answers"
    cuts = False

    def __init__(self, model, tokenizer, max_length, **options):
        super().__init__(model, tokenizer, max_length, **options)
        self._width = min(max_length, _MAX_WINDOW)
        chosen = {name: plain(value) for name, value in self.chosen.items()}
        if chosen["doc_stride"] is None:
            chosen["doc_stride"] = min(self._width // 2, _STRIDE)
        self.chosen, room = chosen, self._width - 3
        for name in ("max_answer_len", "max_windows"):
            if not is_whole(chosen[name], 1):
                raise ValueError(f"`{name}` must be a positive integer; received {chosen[name]!r}.")
        if not is_whole(chosen["doc_stride"]) or chosen["doc_stride"] >= max(room, 1):
            raise ValueError(
                f"`doc_stride` must be an integer from 0 to {room - 1}, tokens of a window; "
                f"received {chosen['doc_stride']!r}."
            )
        if tokenizer.truncation_side != "right":
            raise ValueError(
                "Expected a tokenizer that truncates on the right, to make windows. Received "
                f"truncation_side={tokenizer.truncation_side!r}."
            )

    @property
    def found(self):
        places = [None, CANDIDATES]
        return {
            "score": tf.TensorSpec(places),
            "start": tf.TensorSpec(places, tf.int32),
            "end": tf.TensorSpec(places, tf.int32),
            "no_answer": tf.TensorSpec([None]),
        }

    @property
    def reduced(self):
        return {
            "needed": tf.TensorSpec([None], tf.int32),
            "answer": tf.TensorSpec([None], tf.string),
            "score": tf.TensorSpec([None]),
            "start": tf.TensorSpec([None], tf.int32),
            "end": tf.TensorSpec([None], tf.int32),
        }

    def tokens(self, question, context):
        """The tokens of both, those of contexts with places; and contexts, of which places are."""
        core = self.tokenizer.core
        # Characters are counted as the tokenizer does, to which what is no UTF-8 is U+FFFD.
        context = tf.strings.unicode_transcode(context, "UTF-8", "UTF-8")
        return core.graph()(question), core.graph(offsets=True)(context), context

    def batch(self, question, context):
        """Windows `[W,T]`; `row` `[W,1]`, the number of the question, its context, and the windows
        that it needs, 0 where the question leaves it no room. Of what will be refused there is one
        window, for all to have some.
        """
        core, stride, room = self.tokenizer.core, self.chosen["doc_stride"], self._width - 3
        asked, read, context = self.tokens(question, context)
        q, c = (part.splits[1:] - part.splits[:-1] for part in (asked, read))
        # A question that leaves no room for a context longer than a window.
        most = max(room - stride - max(1, room // 4), 0)
        q = tf.where((q + c > room) & (q + stride >= room), tf.minimum(q, most), q)
        size = tf.minimum(room - q, c)
        step = tf.maximum(room - q - stride, 1)
        count = 1 + tf.maximum(-((size - c) // step), 0)
        needed = tf.where((asked.splits[1:] - asked.splits[:-1]) > q, 0, count)
        count = tf.where((needed > 0) & (needed <= self.chosen["max_windows"]), count, 1)
        row = tf.repeat(tf.range(tf.size(count)), count)
        number = tf.range(tf.size(row)) - tf.gather(tf.cumsum(count, exclusive=True), row)
        q, c, size, step = (tf.gather(x, row) for x in (q, c, size, step))
        begin = number * step
        size = tf.minimum(size, c - begin)

        def spread(x):
            return tf.expand_dims(x, 1)

        total = q + size + 3
        column = spread(tf.range(tf.reduce_max(tf.concat([total, [3]], 0))))
        column = tf.transpose(column)  # [1,T]
        first = spread(q + 2)  # of the context
        second = column >= first
        inside = second & (column < first + spread(size))
        real = column < spread(total)
        cls, sep, _ = core.special_ids
        at_question = spread(tf.gather(asked.splits[:-1], row)) + column - 1
        at_context = spread(tf.gather(read.splits[:-1], row) + begin) + column - first
        source = tf.where(inside, at_context + 3 + tf.size(asked.ids), tf.where(real, 2, 0))
        source = tf.where(column < first - 1, at_question + 3, source)
        source = tf.where(column < 1, 1, source)
        ids = tf.gather(tf.concat([[core.pad_id, cls, sep], asked.ids, read.ids], 0), source)
        start, end = self._of_words(inside, at_context, read)
        return {
            "input_ids": ids,
            "attention_mask": tf.cast(real, tf.int32),
            "token_type_ids": tf.cast(second & real, tf.int32),
            "inside": tf.cast(inside, tf.int32),
            "start": start,
            "end": end,
            "row": spread(row),
            "needed": spread(tf.gather(needed, row)),
            "context": spread(tf.gather(context, row)),
        }

    @staticmethod
    def _of_words(inside, at, read):
        """Where the words, of which the tokens of windows are, begin and end: characters `[W,T]`.
        Of a word only the tokens in the window count.
        """
        places = tf.where(inside)
        index = tf.gather_nd(at, places)
        window = tf.cast(places[:, 0], tf.int32)
        word = tf.gather(read.word_ids, index)
        new = (word[1:] != word[:-1]) | (window[1:] != window[:-1])
        new = tf.concat([tf.ones_like(word[:1], tf.bool), new], 0)
        first = tf.cast(tf.reshape(tf.where(new), [-1]), tf.int32)
        last = tf.concat([first[1:], [tf.size(word)]], 0)[: tf.size(first)] - 1
        run = tf.cumsum(tf.cast(new, tf.int32)) - 1
        shape, places = tf.shape(inside), tf.cast(places, tf.int32)
        return (
            tf.scatter_nd(places, tf.gather(tf.gather(values, tf.gather(index, edge)), run), shape)
            for values, edge in ((read.starts, first), (read.ends, last))
        )

    def compute(self, batch):
        inputs = {name: batch[name] for name in self.model.model_input_names}
        outputs = self.model(inputs, padding_free=not self.portable, training=False)
        inside = batch["inside"] > 0
        width = tf.shape(inside)[1]
        known = tf.concat([tf.ones_like(inside[:, :1]), inside[:, 1:]], 1)  # [CLS], and the context
        both = [tf.cast(outputs[name], tf.float32) for name in ("start_logits", "end_logits")]
        # As `is_finite`, which TFLite lacks.
        finite = tf.reduce_all((tf.abs(both[0] + both[1]) < np.inf) | ~known, 1)
        start, end = (tf.nn.softmax(tf.where(known, x, -np.inf)) for x in both)
        no_answer = start[:, 0] * end[:, 0]
        longest = self.chosen["max_answer_len"]
        # Spans that begin at a token, of 1, 2, … tokens, `[n,T,longest]`; -1 for none.
        ends = tf.pad(tf.where(inside, end, -1.0), [[0, 0], [0, longest]], constant_values=-1.0)
        ends = tf.stack([ends[:, more : more + width] for more in range(longest)], -1)
        begins = tf.expand_dims(tf.where(inside, start, -1.0), -1)
        scores = tf.where((begins >= 0) & (ends >= 0), begins * ends, -1.0)
        scores = tf.reshape(scores, [-1, width * longest])
        scores = tf.pad(scores, [[0, 0], [0, CANDIDATES]], constant_values=-1.0)
        best = tf.math.top_k(scores, CANDIDATES)
        first = tf.minimum(best.indices // longest, width - 1)
        last = tf.minimum(first + best.indices % longest, width - 1)
        # Of a row with NaN no score is a number, whatever was made of it.
        return {
            "score": tf.where(finite[:, None], best.values, np.nan),
            "start": tf.gather(batch["start"], first, batch_dims=1),
            "end": tf.gather(batch["end"], last, batch_dims=1),
            "no_answer": no_answer,
        }

    def _totals(self, found, batch):
        """Answers of one wording, one after another `[U]`: their row, score, start and end; also
        the contexts `[B]` and the score of no answer `[B]`.
        """
        window = batch["row"][:, 0]
        rows = tf.reduce_max(tf.concat([window, [-1]], 0)) + 1
        firsts = tf.searchsorted(window, tf.range(rows))
        context = tf.gather(batch["context"][:, 0], firsts)
        places = tf.where(~(found["score"] < 0))  # NaN too
        row = tf.gather(window, places[:, 0])
        score, start, end = (
            tf.gather_nd(found[name], places) for name in ("score", "start", "end")
        )
        written = _written(context, row, start, end)
        written = tf.strings.regex_replace(written, r"\x00", "\uffff")  # at which `lower` ends
        lower = tf.strings.lower(written, encoding="utf-8")
        _, group = tf.unique(tf.strings.join([tf.strings.as_string(row), lower], "|"))
        count = tf.reduce_max(tf.concat([group, [-1]], 0)) + 1
        total = tf.math.unsorted_segment_sum(score, group, count)
        first = tf.math.unsorted_segment_min(tf.range(tf.size(row)), group, count)
        row, start, end = (tf.gather(x, first) for x in (row, start, end))
        no_answer = tf.math.unsorted_segment_min(found["no_answer"], window, rows)
        return row, total, start, end, context, no_answer

    def reduce(self, found, batch):
        row, total, start, end, context, no_answer = self._totals(found, batch)
        rows, number = tf.size(context), tf.range(tf.size(row))
        highest = tf.math.unsorted_segment_max(total, row, rows)
        # The first of those of the highest score; where there is a NaN, any.
        beaten = total < tf.gather(highest, row)
        none = tf.size(row)
        best = tf.math.unsorted_segment_min(tf.where(beaten, none, number), row, rows)
        some = best < none
        best = tf.where(some, best, none)
        score, start, end = (tf.gather(tf.pad(x, [[0, 1]]), best) for x in (total, start, end))
        if self.chosen["handle_impossible_answer"]:
            some &= ~(no_answer > score)
            score = tf.where(some, score, no_answer)
        start, end = (tf.where(some, x, 0) for x in (start, end))
        bad = tf.math.unsorted_segment_max(tf.cast(tf.math.is_nan(total), tf.int32), row, rows) > 0
        score = tf.where(bad, np.nan, score)
        answer = _written(context, tf.range(rows), start, end)
        needed = tf.math.unsorted_segment_max(batch["needed"][:, 0], batch["row"][:, 0], rows)
        return {"needed": needed, "answer": answer, "score": score, "start": start, "end": end}

    def answer(self, found, *inputs):
        needed, most = found["needed"], self.chosen["max_windows"]
        fits = tf.reduce_all((needed > 0) & (needed <= most))
        said = (
            f"Expected contexts of at most {most} windows of {self._width} tokens, which their "
            "questions leave room. Received contexts of so many (0: the question is too long):"
        )
        with tf.control_dependencies([tf.debugging.Assert(fits, [said, needed], summarize=8)]):
            return {name: tf.identity(found[name]) for name in self.outputs}

    @staticmethod
    def read(row):
        return [{name: row[name] for name in Answers.outputs}]

    def sample(self, texts):
        # A pipeline takes no empty ones, and no question that leaves a context no room; a character
        # is three tokens at most, of Hangul.
        most = max((self._width - 4 - self.chosen["doc_stride"]) // 3, 1)
        return [text.strip()[:most].strip() or "?" for text in texts]

    def piped(self, pipeline, question, context):
        options = {name: x for name, x in self.chosen.items() if name != "max_windows"}
        found = pipeline(question=question, context=context, max_seq_len=self._width, **options)
        found = found if isinstance(found, list) else [found]
        return [[{name: each[name] for name in self.outputs}] for each in found]

    def margins(self, question, context):
        batch = self.batch(question, context)
        row, total, *_, no_answer = self._totals(self.compute(batch), batch)
        margins = []
        for number, other in enumerate(no_answer.numpy()):
            scores = sorted(total.numpy()[row.numpy() == number], reverse=True)
            scores += [other] * self.chosen["handle_impossible_answer"]
            scores = sorted([*scores, 0.0, 0.0], reverse=True)
            margins.append(scores[0] - scores[1])
        return margins


class PortableAnswers(Answers):
    """A question and a context, strings `[1]` each -> what each of W windows has, the best first:
    `score` float32 `[W,12]`, -1 for none, and `start` and `last` int32 `[W,12]`, the bytes of the
    context at which the answer's first and last character begin; `no_answer` float32 `[W]`, the
    score of there being none; and `windows` int32 `[1]`, how many the context needs: more than W
    where it is too long, and 0 where the question is.

    Answers of one wording are one, whose scores add up, but TFLite has no op that compares strings.
    """

    portable = True
    options: ClassVar = {
        k: v for k, v in Answers.options.items() if k != "handle_impossible_answer"
    }

    def tokens(self, question, context):
        pieces = self.tokenizer.pieces(portable=True)
        return pieces(question), pieces(context, places=True), context

    def __call__(self, question, context):
        batch = self.batch(question, context)
        found = self.compute(batch)
        found["last"] = found.pop("end")
        return {**found, "windows": batch["needed"][0]}

    @staticmethod
    def items(found, question, context, **options):
        """Outputs by name, for strings in UTF-8 -> the best answers, by options of `best_answers`.

        Raises:
            ValueError: the question or the context is too long.
        """
        (needed,), read = found["windows"], len(found["score"])
        if not needed:
            raise ValueError(
                "Expected a question that leaves more than a stride of the windows to the context. "
                f"Received {question.decode()!r:.60}. Shorten it, or export the model with a "
                "larger `max_length` or a smaller `doc_stride`."
            )
        if needed > read:
            raise ValueError(
                f"Expected a context of at most `max_windows`. Received one of {needed} windows, "
                f"{context.decode()!r:.60}. Shorten it, or export the model with a larger "
                "`max_windows` or `max_length`."
            )
        number = characters(context)
        places = found["score"], number[found["start"]], number[found["last"]] + 1
        spans = zip(*(each.ravel().tolist() for each in places))
        spans = [span for span in spans if not span[0] < 0]
        return best_answers(context.decode(), spans, found["no_answer"].tolist(), **options)


def best_answers(
    context: str,
    spans: Iterable[tuple[float, int, int]],
    no_answer: Sequence[float],
    *,
    top_k: int = 1,
    handle_impossible_answer: bool = False,
) -> list[dict[str, Any]]:
    """The `top_k` best of the spans of all windows, the best of each first: score, start and end,
    characters of the context. Answers of one wording are one, whose scores add up.

    Source: transformers 4.57, `pipelines/question_answering.py`.
    """
    found: dict[str, dict[str, Any]] = {}
    for score, start, end in spans:
        answer = {"score": score, "start": start, "end": end, "answer": context[start:end]}
        if (known := found.setdefault(answer["answer"].lower(), answer)) is not answer:
            known["score"] += score
    answers = [*found.values()]
    if handle_impossible_answer or not answers:
        score = min(no_answer) if handle_impossible_answer else 0.0
        answers.append({"score": score, "start": 0, "end": 0, "answer": ""})
    return sorted(answers, key=lambda answer: -answer["score"])[:top_k]


class SpanLogits(Signature):
    """Token ids, mask and the like, int32 `[B,T]` each -> start_logits and end_logits `[B,T]`; of
    padding zeros.
    """

    compared = ("start_logits", "end_logits")
    bounded = False

    @property
    def found(self):
        return {name: tf.TensorSpec([None, None]) for name in self.compared}

    def compute(self, batch):
        outputs = self.model(batch, padding_free=True, training=False)
        return {name: tf.cast(outputs[name], tf.float32) for name in self.compared}

    def answer(self, found, *inputs):
        real = inputs[self.model.model_input_names.index("attention_mask")] != 0
        return {name: tf.where(real, x, tf.zeros_like(x)) for name, x in found.items()}


def _written(context, row, start, end):
    """Characters of contexts `[B]`, of the one that `row` names."""
    return tf.strings.substr(tf.gather(context, row), start, end - start, "UTF8_CHAR")
