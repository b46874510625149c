"""What a workflow of GitHub's hands over and takes, with Python's own library alone: a bare runner can use it."""
