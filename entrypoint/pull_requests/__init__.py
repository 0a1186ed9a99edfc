"""What a pull request does to the models: gathered from Git and the targets, shown as one comment."""
