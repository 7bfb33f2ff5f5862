"""Train an adapter on questions with known answers or a teacher's answers, by gradient descent or in closed form."""
