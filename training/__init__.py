"""How the nano models are made: the data factory, and one script a model."""
