"""Names of DistilBERT's weights, from files that transformers 4.57.6 wrote, and in keras-nlp."""

from __future__ import annotations

from tfkit.checkpoints.weight_map import Weight, WeightMap, dense, embedding, norm

_POSITIONS = "embeddings.position_embedding.position_embeddings"
_ATTENTION = "_self_attention_layer"

WEIGHTS = WeightMap(
    prefix="distilbert",
    backbone=[
        *embedding(
            "embeddings.word_embeddings",
            "embeddings.word_embeddings",
            "embeddings.token_embedding.embeddings",
        ),
        *embedding("embeddings.position_embeddings", "embeddings.position_embeddings", _POSITIONS),
        *norm("embeddings.LayerNorm", "embeddings.norm", "embeddings_layer_norm"),
    ],
    blocks=("transformer.layer", "transformer.layer", "transformer_layers"),
    block=[
        *dense("attention.q_lin", "attention.qkv", f"{_ATTENTION}.query_dense", part=(0, 3)),
        *dense("attention.k_lin", "attention.qkv", f"{_ATTENTION}.key_dense", part=(1, 3)),
        *dense("attention.v_lin", "attention.qkv", f"{_ATTENTION}.value_dense", part=(2, 3)),
        *dense("attention.out_lin", "attention.out", f"{_ATTENTION}.output_dense"),
        *norm("sa_layer_norm", "sa_layer_norm", "_self_attention_layer_norm"),
        *dense("ffn.lin1", "ffn.lin1", "_feedforward_intermediate_dense"),
        *dense("ffn.lin2", "ffn.lin2", "_feedforward_output_dense"),
        *norm("output_layer_norm", "output_layer_norm", "_feedforward_layer_norm"),
    ],
    heads={
        "sequence_classification": [
            *dense("pre_classifier", "head.pre_classifier", "pooled_dense"),
            *dense("classifier", "head.classifier", "output_dense"),
        ],
        "token_classification": dense("classifier", "head.classifier", ""),
        "question_answering": dense("qa_outputs", "head.classifier", ""),
        "masked_lm": [
            *dense("vocab_transform", "head.transform", ""),
            *norm("vocab_layer_norm", "head.norm", ""),
            Weight("vocab_projector.bias", "head.bias", ""),
        ],
        "multiple_choice": [
            *dense("pre_classifier", "head.pre_classifier", ""),
            *dense("classifier", "head.classifier", ""),
        ],
    },
)
