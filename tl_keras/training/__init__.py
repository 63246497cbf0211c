"""How a network is trained: one loop, its callbacks, optimizers, devices and heads. It knows no run."""
