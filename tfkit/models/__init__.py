"""DistilBERT models: backbone, heads, and the automatic classes."""
