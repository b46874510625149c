"""Cloud Storage: an emulator behind a front that makes it answer, and fail, as Google's does."""
