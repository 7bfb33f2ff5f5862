"""Commands of the server: `serve`, `keys` and `store`."""
