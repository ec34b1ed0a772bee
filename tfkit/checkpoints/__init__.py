"""Weights on disk, in the layout and under the names of Hugging Face."""
