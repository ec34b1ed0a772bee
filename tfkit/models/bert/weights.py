"""Names of BERT's weights, from files that transformers 4.57.6 wrote, and in keras-nlp."""

from __future__ import annotations

from tfkit.checkpoints.weight_map import Weight, WeightMap, dense, embedding, norm

_ATTENTION = "_self_attention_layer"

WEIGHTS = WeightMap(
    prefix="bert",
    backbone=[
        *embedding(
            "embeddings.word_embeddings",
            "embeddings.word_embeddings",
            "token_embedding.embeddings",
        ),
        *embedding(
            "embeddings.position_embeddings",
            "embeddings.position_embeddings",
            "position_embedding.position_embeddings",
        ),
        *embedding(
            "embeddings.token_type_embeddings",
            "embeddings.token_type_embeddings",
            "segment_embedding.embeddings",
        ),
        *norm("embeddings.LayerNorm", "embeddings.norm", "embeddings_layer_norm"),
    ],
    blocks=("encoder.layer", "encoder.layer", "transformer_layers"),
    block=[
        *dense("attention.self.query", "attention.qkv", f"{_ATTENTION}.query_dense", part=(0, 3)),
        *dense("attention.self.key", "attention.qkv", f"{_ATTENTION}.key_dense", part=(1, 3)),
        *dense("attention.self.value", "attention.qkv", f"{_ATTENTION}.value_dense", part=(2, 3)),
        *dense("attention.output.dense", "attention.out", f"{_ATTENTION}.output_dense"),
        *norm("attention.output.LayerNorm", "sa_layer_norm", "_self_attention_layer_norm"),
        *dense("intermediate.dense", "ffn.lin1", "_feedforward_intermediate_dense"),
        *dense("output.dense", "ffn.lin2", "_feedforward_output_dense"),
        *norm("output.LayerNorm", "output_layer_norm", "_feedforward_layer_norm"),
    ],
    pooler=dense("pooler.dense", "pooler.projection", "pooled_dense"),
    heads={
        "sequence_classification": dense("classifier", "head.classifier", "output_dense"),
        "token_classification": dense("classifier", "head.classifier", ""),
        "question_answering": dense("qa_outputs", "head.classifier", ""),
        "masked_lm": [
            *dense("cls.predictions.transform.dense", "head.transform", ""),
            *norm("cls.predictions.transform.LayerNorm", "head.norm", ""),
            Weight("cls.predictions.bias", "head.bias", ""),
        ],
        "multiple_choice": dense("classifier", "head.classifier", ""),
    },
    others=("cls",),
    keras_nlp_act="gelu_new",
)
