"""`tfkit demo`: the whole path on the small model and a file of short reviews, as a user would."""

from __future__ import annotations

from pathlib import Path

from tfkit.demo.shipped import small_model
from tfkit.utils.files import local_path

HELP = "see everything work, on the small model"
_ASSETS = Path(__file__).parents[1] / "demo" / "assets"
# The two sentences of Hugging Face's quick tour.
_SENTENCES = (
    "We are very happy to show you the 🤗 Transformers library.",
    "We hope you don't hate it.",
)
_EPOCHS = 8


def add_arguments(parser) -> None:
    where = {"default": "saved_models/demo", "help": "folder for the results (%(default)s)"}
    parser.add_argument("--output", **where)


def run(options) -> None:
    import tensorflow as tf

    import tfkit
    from tfkit import data, export, training

    output = local_path(options.output)
    _say(f"The small model in {small_model()} on two sentences")
    _show(tfkit.pipeline("sentiment-analysis", model=small_model())(_SENTENCES))

    train = data.read(_ASSETS / "reviews.csv")
    held_out = data.read(_ASSETS / "reviews_dev.csv", names=train.names)
    model = tfkit.TFAutoModelForSequenceClassification.from_pretrained(
        small_model(), id2label=train.id2label
    )
    tokenizer = tfkit.AutoTokenizer.from_pretrained(small_model())
    _say(f"Fine-tuning it on {len(train)} short reviews, {_EPOCHS} epochs")
    before = training.evaluate(model, tokenizer, held_out)
    training.fine_tune(
        model, tokenizer, train, held_out, epochs=_EPOCHS, batch_size=16, seed=0, verbose=2
    )

    _say(f"On {len(held_out)} other reviews; accuracy was {before.accuracy:.4f} before")
    print(training.evaluate(model, tokenizer, held_out))
    model.save_pretrained(output / "model")
    tokenizer.save_pretrained(output / "model")
    print(f"Saved in {output / 'model'}, which Transformers loads too")

    _say("Exporting a SavedModel for TF Serving")
    served = export.saved_model(model, tokenizer, output / "serving")
    print(served)
    _say("Exporting a .tflite for phones")
    lite = export.tflite(model, tokenizer, output / "model.tflite", quantization="dynamic_int8")
    print(lite)

    _say("The SavedModel answers plain strings")
    answer = tf.saved_model.load(str(served.path)).signatures["serving_default"]
    answers = answer(text=tf.constant(_SENTENCES))
    labels = [label.decode() for label in answers["label"].numpy()]
    _show([{"label": lb, "score": max(s)} for lb, s in zip(labels, answers["scores"].numpy())])
    _say("The .tflite answers, too")
    _show(export.Classifier(lite.path)(_SENTENCES))


def _say(heading: str) -> None:
    print(f"\n=== {heading} ===", flush=True)


def _show(answers: list[dict]) -> None:
    for text, answer in zip(_SENTENCES, answers):
        print(f"{answer['label']:9} {answer['score']:.4f}  {text}")
