"""Train an adapter on questions with known answers or those of a teacher: by gradient descent, or in closed form."""
