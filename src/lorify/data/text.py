"""Small operations on texts that several generators need."""


def capitalize_first(text: str) -> str:
    """Capitalize the first letter and leave the rest unchanged."""
    return text[0].upper() + text[1:]
