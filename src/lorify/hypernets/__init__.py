"""Features -> adapter: hypernetworks, their configs, saving and loading."""
