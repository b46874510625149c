"""What is missing on Google Cloud, each finding with the gcloud line that fixes it. Nothing is changed."""
