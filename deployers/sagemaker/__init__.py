"""Amazon SageMaker as a target."""
