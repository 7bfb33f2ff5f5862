"""`python -m lorify`: the command `lorify`."""

from lorify.cli import main

if __name__ == "__main__":
    main()
