"""Document formats: detect the format of a file and read it as text."""
