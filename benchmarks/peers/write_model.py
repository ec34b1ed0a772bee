"""Writes the model that every contestant answers with; runs in the environment `torch`.

    python -m benchmarks.peers.write_model FOLDER vocab.txt

A full-size DistilBERT classifier of random weights: the Hugging Face folder, `model.onnx` and
`int8.onnx`, its dynamic quantisation. ONNX Runtime fuses both as it loads them; its offline
optimiser finds nothing more in them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import (
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertTokenizerFast,
)

SEED = 20261122
# How far biases and LayerNorms lie from their first values, and how strong the last layer is:
# enough that the answers differ from text to text, and a lost bias shows. Their mean is even.
SPREAD, STRENGTH = 0.1, 30.0
INPUTS = ["input_ids", "attention_mask"]


def write(folder: Path, vocabulary: Path) -> None:
    torch.manual_seed(SEED)
    config = DistilBertConfig(attn_implementation="eager")
    model = DistilBertForSequenceClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += SPREAD * torch.randn_like(parameter)
        model.classifier.weight *= STRENGTH
        ids = torch.randint(config.vocab_size, [32, 24])
        model.classifier.bias -= model(ids).logits.mean(0)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer = DistilBertTokenizerFast(vocab_file=str(vocabulary), do_lower_case=True)
    tokenizer.model_max_length = config.max_position_embeddings
    tokenizer.save_pretrained(folder)
    write_onnx(model, folder)


def write_onnx(model: torch.nn.Module, folder: Path) -> None:
    ids = torch.ones([2, 9], dtype=torch.int64)
    axes = {name: {0: "B", 1: "T"} for name in INPUTS}
    torch.onnx.export(
        model,
        (ids, ids),
        str(folder / "model.onnx"),
        input_names=INPUTS,
        output_names=["logits"],
        dynamic_axes={**axes, "logits": {0: "B"}},
        opset_version=17,
        dynamo=False,
    )
    quantize_dynamic(folder / "model.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
