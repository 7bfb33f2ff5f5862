"""Files of base models: finding them, GGUF files, and files from PyPI packages."""
