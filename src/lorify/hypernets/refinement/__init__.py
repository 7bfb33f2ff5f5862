"""Gradient descent on one document: context distillation and refinement of an adapter."""
