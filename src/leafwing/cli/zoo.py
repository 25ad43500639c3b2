"""``leafwing zoo``: the recipes that are ready to train."""

from __future__ import annotations

from cyclopts import App

app = App(name="zoo", help="The recipes that are ready to train.", help_format="plaintext")


@app.command(name="list")
def list_() -> None:
    """List the shipped recipes.

    Example: leafwing zoo list
    """
    from leafwing.core.config import read_toml
    from leafwing.recipe import shipped

    for name, path in shipped().items():
        print(f"{name:12} {read_toml(path)['title']}")


@app.command
def show(recipe: str, /) -> None:
    """Print a recipe with all its settings.

    Example: leafwing zoo show dcgan

    Parameters
    ----------
    recipe
        A shipped recipe or a TOML file.
    """
    from leafwing.recipe import load_recipe

    print(load_recipe(recipe).to_toml())
