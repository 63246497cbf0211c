"""`python -m tl_keras` is `tlk`."""

from tl_keras.cli.main import main

main()
