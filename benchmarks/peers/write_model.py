"""Writes the model that every contestant answers with; runs in the environment `torch`.

    python -m benchmarks.peers.write_model FOLDER (vocab.txt | CHECKPOINT)

A full-size DistilBERT classifier of random weights and that vocabulary, or the encoder and the
tokenizer of a checkpoint with a random head: the Hugging Face folder, `model.onnx` and `int8.onnx`,
its dynamic quantisation. ONNX Runtime fuses both as it loads them; its offline optimiser finds
nothing more in them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertTokenizerFast,
)

SEED = 20261122
# How far biases and LayerNorms lie from their first values, and how strong the last layer is:
# enough that the answers differ from text to text, and a lost bias shows. Their mean is even.
SPREAD, STRENGTH = 0.1, 30.0


def write(folder: Path, source: Path) -> None:
    torch.manual_seed(SEED)
    model, tokenizer = (loaded if source.is_dir() else random)(source)
    tokenizer.model_max_length = model.config.max_position_embeddings
    with torch.no_grad():
        model.classifier.weight *= STRENGTH
        ids = torch.randint(model.config.vocab_size, [32, 24])
        model.classifier.bias -= model(ids).logits.mean(0)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_onnx(model, tokenizer, folder)


def random(vocabulary: Path):
    """DistilBERT of a `vocab.txt`."""
    config = DistilBertConfig(attn_implementation="eager")
    model = DistilBertForSequenceClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += SPREAD * torch.randn_like(parameter)
    return model, DistilBertTokenizerFast(vocab_file=str(vocabulary), do_lower_case=True)


def loaded(checkpoint: Path):
    """The encoder of a checkpoint, and its tokenizer."""
    options = {"num_labels": 2, "attn_implementation": "eager", "ignore_mismatched_sizes": True}
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, **options).eval()
    return model, AutoTokenizer.from_pretrained(checkpoint)


def write_onnx(model: torch.nn.Module, tokenizer, folder: Path) -> None:
    types = [name for name in tokenizer.model_input_names if name == "token_type_ids"]
    names = ["input_ids", "attention_mask", *types]
    axes = {name: {0: "B", 1: "T"} for name in names}
    ones = torch.ones([2, 9], dtype=torch.int64)
    torch.onnx.export(
        model,
        tuple(ones for _ in names),
        str(folder / "model.onnx"),
        input_names=names,
        output_names=["logits"],
        dynamic_axes={**axes, "logits": {0: "B"}},
        opset_version=17,
        dynamo=False,
    )
    quantize_dynamic(folder / "model.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
