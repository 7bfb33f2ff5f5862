"""`lorify eval`: commands that measure how good a hypernetwork is."""
