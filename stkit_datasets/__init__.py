"""STKit: kinematic question-answer data from annotated video."""
