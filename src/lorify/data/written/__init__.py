"""Documents of everyday kinds with questions and chats, written for training."""
