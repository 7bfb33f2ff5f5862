"""Everyday documents with questions and chats, written for training."""
