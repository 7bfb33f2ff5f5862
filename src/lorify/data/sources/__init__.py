"""Documents, questions, images and prompts from files and public data sets, and generated needles."""
