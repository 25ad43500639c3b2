"""How good a generator is, and how sure we are: pure functions of arrays, features of pictures, truth of worlds."""
