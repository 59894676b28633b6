"""`python -m passerelle`."""

from passerelle.cli.main import main

if __name__ == "__main__":
    main()
