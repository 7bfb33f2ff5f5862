"""The associative hypernetwork: documents as an associative memory, solved in closed form."""
