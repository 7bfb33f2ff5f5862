"""Hypernetworks, which generate adapters: networks, configs, saving and loading."""
