"""`pipeline("question-answering")` against what `transformers` 5 has left of its own: the tokenizer
with its windows, torch's model, and the choice of spans that other pipelines there share.
"""

from __future__ import annotations

import numpy as np
import pytest

import tfkit

torch = pytest.importorskip("torch", reason="torch is not installed (extra `parity`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", "sings", "in", "bonn", "anna", "##bel"),
    *("##le", "and", ".", ",", "don", "'", "t", "?", "서울", "##에"),
]
ROWS = [
    ("Who sings?", "Annabelle sings in Bonn."),
    ("Who?", "Anna"),
    ("who", "Bonn, bonn BONN and Bonn"),
    ("don't", "a\u0301nna 🙂 zzz  서울에\n\tBonn"),
    ("Who?", "☃ zzz"),
    ("Who sings in Bonn?", "Annabelle and Anna sing, don't they? " * 6 + "Anna"),
    ("who", "anna [CLS] bonn [SEP] sings [MASK]"),
]


@pytest.fixture(scope="module", params=["Bert", pytest.param("DistilBert", marks=pytest.mark.slow)])
def folder(request, tmp_path_factory):
    """A model and its tokenizer, as `transformers` saves them."""
    family = request.param
    sizes = {"Bert": ("hidden_size", "intermediate_size"), "DistilBert": ("dim", "hidden_dim")}
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(
        **dict(zip(sizes[family], (12, 20))),
        vocab_size=len(VOCABULARY),
        num_hidden_layers=2,
        num_attention_heads=3,
        max_position_embeddings=32,
        initializer_range=0.7,
    )
    path = tmp_path_factory.mktemp(family)
    getattr(transformers, f"{family}ForQuestionAnswering")(config).save_pretrained(path)
    tokenizer = getattr(tfkit, f"{family}Tokenizer")(VOCABULARY, model_max_length=32)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def ask(folder):
    return tfkit.pipeline("question-answering", folder)


class Reference:
    """The rule of transformers 4.57, `pipelines/question_answering.py`."""

    def __init__(self, folder):
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder)
        self.model = model.eval()

    def __call__(self, question, context, *, top_k, stride, impossible, longest, words):
        from transformers.pipelines.document_question_answering import select_starts_ends

        encoded = self.tokenizer(
            question,
            context,
            truncation="only_second",
            max_length=32,
            stride=stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        answers, none = {}, 1e6
        for row in range(len(encoded["input_ids"])):
            of_context = [number == 1 for number in encoded.sequence_ids(row)]
            inputs = {
                name: torch.tensor([encoded[name][row]])
                for name in self.tokenizer.model_input_names
                if name in encoded
            }
            with torch.no_grad():
                outputs = self.model(**inputs)
            masked = [int(not inside) for inside in of_context]
            masked[0] = 0
            starts, ends, scores, none = select_starts_ends(
                outputs.start_logits.numpy(),
                outputs.end_logits.numpy(),
                np.array([masked]),
                None,
                none,
                2 * top_k + 10 if words else top_k,
                impossible,
                longest,
            )
            encoding = encoded.encodings[row]
            for first, last, score in zip(starts, ends, scores.tolist()):
                if not score:
                    continue  # impossible ones, that make up the number
                start, end = encoding.offsets[first][0], encoding.offsets[last][1]
                if words:
                    start = encoding.word_to_chars(encoding.token_to_word(first), 1)[0]
                    end = encoding.word_to_chars(encoding.token_to_word(last), 1)[1]
                text = context[start:end]
                answer = {"score": 0.0, "start": start, "end": end, "answer": text}
                answers.setdefault(text.lower(), answer)["score"] += score
        if impossible:
            answers[None] = {"score": none, "start": 0, "end": 0, "answer": ""}
        return sorted(answers.values(), key=lambda answer: -answer["score"])[:top_k]


@pytest.mark.parametrize(
    ("top_k", "stride", "impossible", "longest", "words"),
    [(1, 16, False, 15, True), (3, 4, True, 5, True), (4, 7, True, 2, False)],
)
def test_answers_are_those_of_transformers(folder, ask, top_k, stride, impossible, longest, words):
    theirs = Reference(folder)
    options = dict(zip(("top_k", "stride"), (top_k, stride)))
    ours = ask(
        [{"question": question, "context": context} for question, context in ROWS],
        top_k=top_k,
        doc_stride=stride,
        handle_impossible_answer=impossible,
        max_answer_len=longest,
        align_to_words=words,
    )
    options |= {"impossible": impossible, "longest": longest, "words": words}
    for row, our in zip(ROWS, ours, strict=True):
        expected = theirs(*row, **options)
        for one, other in zip([our] if top_k == 1 else our, expected, strict=True):
            assert one["score"] == pytest.approx(other.pop("score"), abs=1e-5)
            assert {name: one[name] for name in other} == other


def test_every_form_of_a_call_gives_the_same(ask):
    (question, context), other = ROWS[0], ROWS[1]
    one = ask(question=question, context=context)
    assert set(one) == {"score", "start", "end", "answer"}
    assert context[one["start"] : one["end"]] == one["answer"]
    row = {"question": question, "context": context, "id": "1", "answers": []}
    for same in (
        ask(question, context),
        ask(row),
        ask([row]),
        ask(question=[question], context=[context], padding="do_not_pad", max_question_len=64),
        ask({**row, "context": context}, doc_stride=None),
    ):
        assert same == one
    two = ask(question=[question, other[0]], context=[context, other[1]])
    assert ask(row, dict(zip(("question", "context"), other))) == two
    assert two[0]["answer"] == one["answer"] and len(two) == 2
    assert len(ask(question=[question, "who"], context=context)) == 2
    assert ask([]) == []


def test_an_empty_context_has_an_empty_answer(ask):
    nothing = {"score": 0.0, "start": 0, "end": 0, "answer": ""}
    assert ask("who", " \u200b ") == nothing
    assert ask("who", " ", handle_impossible_answer=True) == {**nothing, "score": 1.0}


def test_what_is_wrong_is_one_clear_error(ask):
    with pytest.raises(ValueError, match="no empty `context`"):
        ask("who", "")
    with pytest.raises(ValueError, match="no empty `question`"):
        ask(question=["who", ""], context="anna")
    with pytest.raises(ValueError, match="context for each question.*2 `question` and 1"):
        ask(question=["who", "who"], context=["anna"])
    with pytest.raises(ValueError, match="dicts with `question` and `context`. Received: 'who'"):
        ask("who")
    with pytest.raises(TypeError, match="`context` as strings. Received a int"):
        ask(question=["who"], context=[3])
    with pytest.raises(TypeError, match="no option stride"):
        ask("who", "anna", stride=3)
    with pytest.raises(ValueError, match="`top_k` must be a positive integer; received 0"):
        ask("who", "anna", top_k=0)
    with pytest.raises(ValueError, match="`doc_stride` must be an integer from 0 to 32"):
        ask("who", "anna", doc_stride=33)
    with pytest.raises(ValueError, match="leave more than a stride of 16 tokens of the 32"):
        ask("who " * 14, "anna " * 40)
    with pytest.raises(TypeError, match="model of question answering. Received a TFBertModel"):
        config = tfkit.BertConfig(
            vocab_size=21, hidden_size=6, num_hidden_layers=1, num_attention_heads=3
        )
        tfkit.pipeline("question-answering", tfkit.TFBertModel(config), ask.tokenizer)
