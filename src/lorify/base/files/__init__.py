"""Files of base models: where they are, GGUF files, and files from PyPI packages."""
