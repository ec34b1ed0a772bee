"""The bricks of a DistilBERT, as Keras layers."""
