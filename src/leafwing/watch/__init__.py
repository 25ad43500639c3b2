"""Side effects of training, each a small object that is called after every round."""
